"""What a request says, read: its target, its texts, its headers by name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from whiteout.protocol.collector_payload import line_of, text_field

if TYPE_CHECKING:
    from whiteout.collector.exchange import Request

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_LATIN = frozenset({b"iso-8859-1", b"latin1", b"latin-1", b"us-ascii", b"windows-1252"})
_NO_OBJECTION = frozenset({b"", b"0"})
_MAX_MEMO_BYTES = 100  # a content type longer than that is nobody's, and not remembered


class Target(NamedTuple):
    """Where a request goes."""

    path: bytes
    query: bytes
    host: bytes | None  # of a target that is a whole URI


def parse_target(target: bytes) -> Target:
    """Take the target of a request line apart; a fragment counts for nothing."""
    host: bytes | None = None
    if target[:1] != b"/" and (absolute := _ABSOLUTE.fullmatch(target)):
        host, target = absolute[1], absolute[2]
    if b"#" in target:
        target = target.partition(b"#")[0]
    path, _, query = target.partition(b"?")
    return Target(path, query, host)


def all_values(request: Request, wanted: bytes) -> list[bytes]:
    """The values of all headers of a name, in lower case, in order."""
    names, texts = request.names, request.texts
    if not names.is_repeated:
        place = names.places.get(wanted)
        return [] if place is None else [texts[place]]
    return [text for name, text in zip(names.lower, texts, strict=True) if name == wanted]


def objects(values: list[bytes]) -> bool:
    """Tell whether `Sec-GPC` objects to tracking.

    It should be `1`. Anything else may be a `1` that a proxy has joined or padded, and counts as
    one; only `0` and nothing do not.
    """
    parts = (part.strip() for value in values for part in value.split(b","))
    return any(part not in _NO_OBJECTION for part in parts)


class ContentType(NamedTuple):
    """A content type, and what of it goes into a record."""

    bare: bytes
    field: bytes
    line: bytes  # the last of the headers


NO_CONTENT_TYPE = ContentType(b"", b"", b"")


def content_type_of(value: bytes) -> ContentType:
    """Take a header; remembered: nearly all requests have one of a few."""
    return _remembered(value) if len(value) <= _MAX_MEMO_BYTES else _content_type_of(value)


def _content_type_of(value: bytes) -> ContentType:
    bare = render_content_type(value)
    return ContentType(bare, text_field(360, bare), line_of(bare))


def render_content_type(value: bytes) -> bytes:
    """Write a content type as the official collector does: lower case, one space after `;`."""
    parts = value.decode("utf-8", "replace").lower().split(";")
    return "; ".join(part.strip() for part in parts).encode()


_remembered = lru_cache(maxsize=64)(_content_type_of)


def body_as_utf8(body: bytes, content_type: bytes | None) -> bytes:
    """Return a body as UTF-8, read with the charset that its content type names."""
    if body.isascii():
        return body
    _, _, charset = (content_type or b"").partition(b"charset=")
    charset = charset.partition(b";")[0].strip(b' "')
    if charset in _LATIN:
        return body.decode("latin-1").encode()
    return as_utf8(body)


def as_utf8(raw: bytes) -> bytes:
    """Return bytes with what is not UTF-8 replaced."""
    if raw.isascii():
        return raw
    return raw.decode("utf-8", "replace").encode()
