"""What an anonymous request may not say, however it is written: names folded, values cleaned.

The collector's door and enrich share it, so that what passes one of them is not the other's
surprise. Sources: reference section 6, W3 (parameters) and W14 (link decoration).
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from whiteout.identifiers import SERVER_PARAMETERS
from whiteout.protocol.base64_json import decode_base64
from whiteout.protocol.cross_navigation import CROSS_NAVIGATION_KEY, without_cross_navigation
from whiteout.protocol.parameters import PARAMETERS

WITHHELD: Final = "[withheld: anonymous]"
"""Stands for what cannot be read: nobody can say what that gives away."""

TRACKER_IDENTIFIERS: Final = frozenset({"ip", "tnuid"})
"""What a tracker sets itself, and an operator may let pass (L15)."""

TIME_STEP_MS: Final = 1_000
"""Times that the pipeline gives to anonymous events are multiples of this: an exact one names the
request that an event came with, and so what else came with it (W23)."""

DROPPED_PARAMETERS: Final = SERVER_PARAMETERS | {CROSS_NAVIGATION_KEY}
"""Names whose values are dropped."""

_LINKS = frozenset({"url", "refr", "u"})  # `u` is where a redirect leads
_PACKED = {"ue_px": True, "cx": True, "ue_pr": False, "co": False}  # whether in Base64
UNTOUCHED: Final = PARAMETERS - DROPPED_PARAMETERS - _LINKS - _PACKED.keys()
"""Parameters that pass as they are: the event's own content."""

_KEY = re.compile(rb"_[sS][pP]")
_UNDERSCORE, _PERCENT, _BACKSLASH = b"_%\\"  # as numbers: found in a tenth of the time
_PLAIN_NAME = re.compile(rb"[a-z0-9_]*")
_MAX_DECODINGS = 3  # deeper than any reader of the record decodes


def fold(name: bytes) -> str:
    """What the most lenient reader makes of a parameter's name.

    Args:
        name: in UTF-8, percent-encoded or not.
    """
    if _PLAIN_NAME.fullmatch(name):
        return name.decode()
    for _ in range(_MAX_DECODINGS):
        decoded = unquote_to_bytes(name)
        if decoded == name:
            break
        name = decoded
    # A full-width, padded or bracketed name is as good as a plain one for some reader.
    text = unicodedata.normalize("NFKC", name.decode("utf-8", "replace")).casefold()
    return re.sub(r"[^a-z0-9_]", "", text)


def clean_value(name: str, value: str) -> str:
    """A value without the link decoration `_sp`.

    Bodies and entities are opened, and every link in them is cleaned; what should be JSON, cannot
    be read and may hold the decoration is withheld.

    Args:
        name: of the parameter or property, folded.
        value: decoded once, where it comes from a query string.
    """
    is_base64 = _PACKED.get(name)
    if is_base64 is None:
        return _clean_link(value)
    sent = value.encode("utf-8", "replace")
    data = decode_base64(value) if is_base64 else sent
    if not _may_hold_key(data) and not (is_base64 and _may_hold_key(sent)):
        return value
    try:
        # Written anew even where nothing was found: of a doubled key only one has been looked at.
        text = json.dumps(
            _clean_json(json.loads(data.decode())),
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        ).encode()
    except (ValueError, RecursionError):
        return WITHHELD
    return base64.urlsafe_b64encode(text).decode() if is_base64 else text.decode()


def _may_hold_key(data: bytes) -> bool:
    """Whether a text may hold `_sp`, escaped or not; one pattern for all takes 12 us an event."""
    if _PERCENT in data or _BACKSLASH in data:
        return True
    return _UNDERSCORE in data and _KEY.search(data) is not None


def _clean_link(text: str) -> str:
    if "?" in text or "/" in text.partition("=")[0]:
        return without_cross_navigation(text)
    return without_cross_navigation(f"?{text}")[1:]  # a query alone, as an install referrer is one


def _clean_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return _clean_link(value)
    if isinstance(value, dict):
        return {
            name: _clean_json(inner)
            for name, inner in value.items()
            if name != CROSS_NAVIGATION_KEY
        }
    return [_clean_json(item) for item in value] if isinstance(value, list) else value
