"""The other side of the Python enrichment: a process that runs a user's function on events.

It is started by its path, not as a module, and imports nothing of this package, so that it is there
in some 20 ms. Messages are JSON with their length before them, four bytes, on the standard input
and output that the process was started with; what the function prints goes nowhere.
"""

from __future__ import annotations

import json
import os
import runpy
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS = ("contexts", "derived_contexts", "unstruct_event")


class DropEvent(Exception):  # noqa: N818 - what users write: raise DropEvent
    """Raised by a user's function: the event is to vanish."""


def main() -> None:
    """Serve until the input ends."""
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    start = json.loads(_read(source) or b"{}")
    try:
        found = runpy.run_path(start["script"], {"DropEvent": DropEvent}, "whiteout_enrichment")
        function = found[start["function"]]
        answer: dict[str, Any] = {"ready": callable(function)}
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
        answer, function = {"error": f"{type(error).__name__}: {error}"[:300]}, None
    _write(sink, answer)
    while function is not None:
        message = _read(source)
        if message is None:
            return
        try:
            answer = _run(function, json.loads(message), start["config"])
        except DropEvent:
            answer = {"drop": True}
        except BaseException as error:  # noqa: BLE001 - the same
            # Its kind only: what it says may be the event's.
            answer = {"error": type(error).__name__[:100]}
        _write(sink, answer)


def _run(
    function: Callable[..., Any], message: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    event = message["event"]
    before = dict(event)
    parts = {name: json.dumps(event[name]) for name in _PARTS}
    entities = function(event, message["headers"], config)
    changed = {
        name: value
        for name, value in event.items()
        if name not in parts and (name not in before or value != before[name])
    }
    changed |= {name: None for name in before if name not in event}
    return {
        "columns": {name: value for name, value in changed.items() if name not in parts},
        "parts": {
            name: event.get(name)
            for name, text in parts.items()
            if json.dumps(event.get(name)) != text
        },
        "entities": list(entities or ()),
    }


def _read(descriptor: int) -> bytes | None:
    head = _read_exactly(descriptor, 4)
    return None if head is None else _read_exactly(descriptor, struct.unpack(">I", head)[0])


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    parts, left = [], size
    while left:
        part = os.read(descriptor, left)
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _write(descriptor: int, answer: dict[str, Any]) -> None:
    try:
        body = json.dumps(answer).encode()
    except (TypeError, ValueError, RecursionError) as error:
        body = json.dumps({"error": f"the result is not JSON: {type(error).__name__}"}).encode()
    data = struct.pack(">I", len(body)) + body
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
