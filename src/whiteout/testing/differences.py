"""Why nothing matched, for whoever reads the failing test: what came nearest, field by field."""

from __future__ import annotations

import difflib
import reprlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from whiteout.testing.kinds import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whiteout.testing.kinds import Wanted
    from whiteout.testing.received import FailedEvent, ReceivedEvent

_MAX_LINES: Final = 10
_SIMILAR: Final = 0.6
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxdict = _SHORT.maxlist = 10
_SHORT.maxlevel = 4


def explain(wanted: Wanted, events: Sequence[ReceivedEvent], failed: Sequence[FailedEvent]) -> str:
    """The message of an assertion that found no such event."""
    lines = [f"no {_asked(wanted)} was tracked"]
    near = nearest(wanted, events)
    if near is not None:
        number = next(index for index, event in enumerate(events, 1) if event is near)
        lines += ["", f"nearest: event {number} of {len(events)}, {near.name}"]
        lines += _compared(wanted, near)
    elif events:
        lines += ["", f"no event is of that kind; {_counted(events)} arrived"]
        close = difflib.get_close_matches(wanted.name, {event.name for event in events}, n=1)
        lines += [f"did you mean {close[0]!r}?"] if close else []
    else:
        lines += ["", "no good event arrived at all"]
    if failed:
        lines += ["", f"{_number(len(failed), 'event')} failed, perhaps this one:"]
        lines += list(failures(failed))
    return "\n".join(lines)


def explain_unwanted(wanted: Wanted, found: Sequence[ReceivedEvent]) -> str:
    """The message of an assertion that found an event which must not be there."""
    lines = [f"{_asked(wanted)} was tracked {_number(len(found), 'time')}"]
    for event in found[:_MAX_LINES]:
        own = event.data if event.schema is not None else {}
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in own.items())
        lines.append(f"    {event.name} {shown}".rstrip())
    return "\n".join(lines)


def failures(failed: Sequence[FailedEvent]) -> Iterator[str]:
    """Failed events with their reasons, as many as one can read."""
    for event in failed[:_MAX_LINES]:
        yield f"    {event.kind}"
        yield from (f"        {reason}" for reason in event.reasons[:_MAX_LINES])
    if len(failed) > _MAX_LINES:
        yield f"    … and {len(failed) - _MAX_LINES} more"


def nearest(wanted: Wanted, events: Sequence[ReceivedEvent]) -> ReceivedEvent | None:
    """The event of the kind with most in common, of equals the latest; None: none is."""
    of_kind = [event for event in events if wanted.is_of_kind(event)]
    return max(reversed(of_kind), key=lambda event: _likeness(wanted, event), default=None)


def _likeness(wanted: Wanted, event: ReceivedEvent) -> tuple[int, float]:
    right = sum(wanted.is_like(event, name) for name in wanted.properties)
    right += len(wanted.entities) - len(wanted.missing_entities(event))
    alike = sum(
        difflib.SequenceMatcher(None, expected, found).quick_ratio()
        for name, expected in wanted.properties.items()
        if isinstance(expected, str) and isinstance(found := wanted.value_in(event, name), str)
    )
    return right, alike


def _compared(wanted: Wanted, event: ReceivedEvent) -> Iterator[str]:
    width = max(map(len, wanted.properties), default=0)
    for name, expected in wanted.properties.items():
        found = wanted.value_in(event, name)
        if wanted.is_like(event, name):
            yield f"  = {name:{width}}  {_shown(found) if found is not MISSING else 'absent'}"
            continue
        yield f"  ≠ {name:{width}}  wanted  {_shown(expected)}"
        yield f"    {'':{width}}  got     {_got(wanted, event, name, found)}"
        if isinstance(expected, str) and isinstance(found, str):
            yield from _pointer(expected, found, width)
    for entity in wanted.missing_entities(event):
        there = [one for one in event.entities if one.schema == entity.schema]
        yield f"  ≠ entity {entity.schema}"
        yield f"      wanted  {_shown(entity.data)}"
        got = ", ".join(_shown(one.data) for one in there) or "no such entity; there are: "
        names = "" if there else ", ".join(one.key.name for one in event.entities) or "none"
        yield f"      got     {got}{names}"


def _pointer(expected: str, found: str, width: int) -> Iterator[str]:
    """A mark below the first character that differs, where both are short enough to be shown."""
    if max(len(expected), len(found)) > _SHORT.maxstring - 2 or not (
        expected.isprintable() and found.isprintable()
    ):
        return
    same = next(
        (
            index
            for index, (one, other) in enumerate(zip(expected, found, strict=False))
            if one != other
        ),
        min(len(expected), len(found)),
    )
    if same:
        yield f"    {'':{width}}          {'':{same + 1}}^"


def _got(wanted: Wanted, event: ReceivedEvent, name: str, found: Any) -> str:  # noqa: ANN401 - any JSON
    if found is not MISSING:
        kind_differs = type(found) is not type(wanted.properties[name])
        return _shown(found) + (f"  ({type(found).__name__})" if kind_differs else "")
    there = sorted(event.data if event.schema is not None else event.columns)
    close = difflib.get_close_matches(name, there, n=1, cutoff=_SIMILAR)
    if close:
        return f"no such property; there is {close[0]}={_shown(wanted.value_in(event, close[0]))}"
    shown = ", ".join(there) if event.schema is not None else ""
    return f"no such property; there are {shown}" if shown else "nothing"


def _asked(wanted: Wanted) -> str:
    if not wanted.properties:
        return wanted.title
    return f"{wanted.title} with " + ", ".join(
        f"{name}={_shown(value)}" for name, value in wanted.properties.items()
    )


def _counted(events: Sequence[ReceivedEvent]) -> str:
    counts = Counter(event.name for event in events)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common(_MAX_LINES))


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON
    return _SHORT.repr(value)
