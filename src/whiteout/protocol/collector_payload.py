"""CollectorPayload: the record between collector and enrich, in Thrift's binary protocol.

The layout, which any Thrift implementation reads from this definition::

    struct CollectorPayload {
      31337: required string schema
      100:   required string ipAddress
      200:   required i64 timestamp
      210:   required string encoding
      220:   required string collector
      300:   optional string userAgent
      310:   optional string refererUri
      320:   optional string path
      330:   optional string querystring
      340:   optional string body
      350:   optional list<string> headers
      360:   optional string contentType
      400:   optional string hostname
      410:   optional string networkUserId
    }

Source: reference section 1.8. Both directions are written by hand. Encoding from parts costs about
what thriftpy2's Cython writer costs. Decoding is not left to thriftpy2 0.7 because its in-memory
reader is not safe on hostile bytes: a length beyond the end is allocated and returned as whatever
the heap held, and a container of zero-sized elements loops 2^31 times. Here every length is checked
against the bytes that are left, so that time and memory are bounded by the size of the record.
Tests hold both directions equal to thriftpy2.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error
from typing import TYPE_CHECKING

import msgspec

from whiteout.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCHEMA = "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0"
_SCHEMA_FAMILY = "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-"

DEFINITION = """
struct CollectorPayload {
  31337: required string schema
  100: required string ipAddress
  200: required i64 timestamp
  210: required string encoding
  220: required string collector
  300: optional string userAgent
  310: optional string refererUri
  320: optional string path
  330: optional string querystring
  340: optional string body
  350: optional list<string> headers
  360: optional string contentType
  400: optional string hostname
  410: optional string networkUserId
}
"""
"""The layout in Thrift's own language."""

MAX_RECORD_BYTES = 64 * 1024 * 1024  # far above any sink's limit; bounds what one record may cost
_MAX_DEPTH = 16  # of containers in unknown fields; the payload itself has one level

_STRING, _I64, _LIST = 11, 10, 15
_SCHEMA_ID, _TIMESTAMP_ID, _HEADERS_ID = 31337, 200, 350

_field_with_length = Struct(">bhi").pack  # type, field id, length of the text
_length = Struct(">i").pack
_COMMON = 512  # headers are shorter, nearly all
LENGTHS = tuple(_length(size) for size in range(_COMMON))
_timestamp = Struct(">bhq").pack
_list_of_text = Struct(">bhbi").pack
_LISTS = tuple(_list_of_text(_LIST, _HEADERS_ID, _STRING, count) for count in range(64))
_read_id_and_length = Struct(">hi").unpack_from
_read_id = Struct(">h").unpack_from
_read_i32 = Struct(">i").unpack_from
_read_i64 = Struct(">q").unpack_from
_read_list_head = Struct(">bi").unpack_from


class CollectorPayload(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the collector, as enrich reads it.

    Attributes:
        ip_address: the one address that counts, without brackets; `unknown` when anonymous.
        timestamp: the collector's clock, Unix epoch milliseconds.
        encoding: of the query string.
        collector: name and version of the collector, at most 32 characters.
        user_agent: header `User-Agent`.
        referer_uri: header `Referer`.
        path: `/vendor/version`, `/i` or `/ice.png`.
        querystring: raw, without `?`.
        body: of a POST.
        headers: `Name: value` in order of arrival; the bare content type is the last of a POST.
        content_type: lower case.
        hostname: of the request's URI.
        network_user_id: a UUID; the null UUID when anonymous.
    """

    # No dataclass: a frozen one takes ten times as long to make, 2.5 us with these fields.

    ip_address: str
    timestamp: int
    encoding: str = "UTF-8"
    collector: str
    user_agent: str | None = None
    referer_uri: str | None = None
    path: str | None = None
    querystring: str | None = None
    body: str | None = None
    headers: tuple[str, ...] = ()
    content_type: str | None = None
    hostname: str | None = None
    network_user_id: str | None = None


def encode(payload: CollectorPayload) -> bytes:
    """Write `payload` as one Thrift struct.

    Text that UTF-8 cannot hold (lone surrogates) becomes `?`.

    Raises:
        ProtocolError: the timestamp does not fit in 64 bits.
    """
    fields: list[tuple[int, bytes]] = [
        (field_id, text.encode("utf-8", "replace"))
        for field_id, text in (
            (_SCHEMA_ID, SCHEMA),
            (100, payload.ip_address),
            (210, payload.encoding),
            (220, payload.collector),
            (300, payload.user_agent),
            (310, payload.referer_uri),
            (320, payload.path),
            (330, payload.querystring),
            (340, payload.body),
            (360, payload.content_type),
            (400, payload.hostname),
            (410, payload.network_user_id),
        )
        if text is not None
    ]
    headers = [header.encode("utf-8", "replace") for header in payload.headers]
    return encode_parts(payload.timestamp, fields, headers)


def encode_parts(
    timestamp: int, fields: Iterable[tuple[int, bytes]], headers: Sequence[bytes]
) -> bytes:
    """Write a struct from UTF-8 parts.

    Args:
        timestamp: Unix epoch milliseconds.
        fields: field id and value of each text field that is there, the schema included.
        headers: the list of headers; an empty one is left out.

    Raises:
        ProtocolError: the timestamp does not fit in 64 bits.
    """
    try:
        parts = [_timestamp(_I64, _TIMESTAMP_ID, timestamp)]
    except struct_error as error:
        raise ProtocolError(f"timestamp must fit in 64 bits, got {timestamp!r}") from error
    for field_id, text in fields:
        parts += (_field_with_length(_STRING, field_id, len(text)), text)
    if headers:
        parts.append(_list_of_text(_LIST, _HEADERS_ID, _STRING, len(headers)))
        for header in headers:
            parts += (_length(len(header)), header)
    parts.append(STRUCT_END)
    return b"".join(parts)


# The collector's way, which never makes text or a CollectorPayload: it lays out the parts of a
# record itself, with what is the same in every record made beforehand. Half the time of
# `encode_parts`, which needs a tuple, a pack and a line made for each field and header.

STRUCT_END = b"\0"

text_length = _length
"""The four bytes between `text_start` and the text; `LENGTHS` has those of short ones."""


def text_start(field_id: int) -> bytes:
    """Return what stands before the length of a text field."""
    return _field_with_length(_STRING, field_id, 0)[:3]


def text_field(field_id: int, text: bytes) -> bytes:
    """Return a whole text field."""
    return _field_with_length(_STRING, field_id, len(text)) + text


TIMESTAMP_START = _timestamp(_I64, _TIMESTAMP_ID, 0)[:3]
"""What stands before the eight bytes of the timestamp."""

timestamp_bytes = Struct(">q").pack
"""The eight bytes of a timestamp, Unix epoch milliseconds."""


LineStart = tuple[int, int, bytes]
"""Of a header: its place among all, and `Name: ` behind its size."""


def line_starts(names: Iterable[bytes]) -> tuple[LineStart, ...]:
    """Return what `add_headers` needs of the headers' names."""
    return tuple([(place, len(name) + 2, name + b": ") for place, name in enumerate(names)])


def line_of(text: bytes) -> bytes:
    """Return a whole line of a list of headers."""
    return _length(len(text)) + text


def add_headers(
    parts: list[bytes],
    starts: Sequence[LineStart],
    texts: Sequence[bytes],
    last: bytes,
) -> None:
    """Add the list of headers to the parts of a record.

    Args:
        parts: to be joined.
        starts: as `line_starts` made them of the names.
        texts: the headers' values.
        last: one more line, as `line_of` makes it (the bare content type); empty: none.
    """
    count = len(starts) + 1 if last else len(starts)
    if not count:
        return
    parts.append(
        _LISTS[count] if count < len(_LISTS) else _list_of_text(_LIST, _HEADERS_ID, _STRING, count)
    )
    begun = len(parts)
    lengths = LENGTHS
    try:
        # By places, with `append` and no look at the size: 0.07 us a header; `zip` and `+=`: 0.14.
        for place, size, start in starts:
            text = texts[place]
            parts.append(lengths[size + len(text)])
            parts.append(start)
            parts.append(text)
    except IndexError:  # a line that is longer
        del parts[begun:]
        for place, size, start in starts:
            parts += (_length(size + len(texts[place])), start, texts[place])
    parts.append(last)


def decode(data: bytes) -> CollectorPayload:
    """Read one Thrift struct.

    Any order of fields is read, the last of a repeated field counts, unknown fields and fields of
    another type are passed over, what follows the struct is ignored, bytes that are not UTF-8
    become U+FFFD: all as the official readers do.

    Raises:
        ProtocolError: the bytes end early, a required field is missing, the schema is another
            one, a length is impossible or the record is larger than `MAX_RECORD_BYTES`.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise ProtocolError(f"record of {len(data)} bytes is larger than {MAX_RECORD_BYTES}")
    try:
        texts, timestamp, headers = _read_struct(data)
    except (struct_error, IndexError) as error:
        raise ProtocolError("record ends before its end") from error
    get = texts.get
    if not get(_SCHEMA_ID, "").startswith(_SCHEMA_FAMILY):
        raise ProtocolError("record is not a CollectorPayload 1-0-x")
    if timestamp is None:
        raise ProtocolError("record has no timestamp")
    ip_address, encoding, collector = get(100), get(210), get(220)
    if ip_address is None or encoding is None or collector is None:
        raise ProtocolError("record has no ipAddress, encoding or collector")
    return CollectorPayload(
        ip_address=ip_address,
        timestamp=timestamp,
        encoding=encoding,
        collector=collector,
        user_agent=get(300),
        referer_uri=get(310),
        path=get(320),
        querystring=get(330),
        body=get(340),
        headers=headers,
        content_type=get(360),
        hostname=get(400),
        network_user_id=get(410),
    )


def _read_struct(data: bytes) -> tuple[dict[int, str], int | None, tuple[str, ...]]:
    texts: dict[int, str] = {}  # of unknown fields too; nobody asks for them
    timestamp: int | None = None
    headers: tuple[str, ...] = ()
    # Made text once, byte for byte: slices of it that are ASCII, nearly all, need no decoding.
    characters = data.decode("latin-1")
    size = len(data)
    at = 0
    while field_type := data[at]:
        if field_type == _STRING:
            field_id, length = _read_id_and_length(data, at + 1)
            start = at + 7
            at = start + length
            if length < 0 or at > size:
                raise ProtocolError("a text reaches beyond the end of the record")
            text = characters[start:at]
            texts[field_id] = text if text.isascii() else data[start:at].decode("utf-8", "replace")
            continue
        (field_id,) = _read_id(data, at + 1)
        at += 3
        if field_id == _TIMESTAMP_ID and field_type == _I64:
            (timestamp,) = _read_i64(data, at)
            at += 8
        elif field_id == _HEADERS_ID and field_type == _LIST and data[at] == _STRING:
            headers, at = _read_headers(data, characters, at)
        else:
            at = _skip(data, at, field_type, _MAX_DEPTH)
    return texts, timestamp, headers


def _read_headers(data: bytes, characters: str, at: int) -> tuple[tuple[str, ...], int]:
    _, count = _read_list_head(data, at)
    at += 5
    # Each element costs four bytes at least: a count beyond that is a lie and is not begun.
    if not 0 <= count * 4 <= len(data) - at:
        raise ProtocolError("a list is longer than the record")
    headers: list[str] = []
    size = len(data)
    for _ in range(count):
        (length,) = _read_i32(data, at)
        start = at + 4
        at = start + length
        if length < 0 or at > size:
            raise ProtocolError("a header reaches beyond the end of the record")
        text = characters[start:at]
        headers.append(text if text.isascii() else data[start:at].decode("utf-8", "replace"))
    return tuple(headers), at


_FIXED_SIZES = {2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8}  # bool, byte, double, i16, i32, i64
_STRUCT, _MAP, _SET = 12, 13, 14


def _skip(data: bytes, at: int, field_type: int, depth: int) -> int:
    """Pass over one value of an unknown field and return where the next thing starts."""
    if depth == 0:
        raise ProtocolError(f"record is nested deeper than {_MAX_DEPTH}")
    size = _FIXED_SIZES.get(field_type)
    if size is not None:
        end = at + size
    elif field_type == _STRING:
        (length,) = _read_i32(data, at)
        end = at + 4 + length if length >= 0 else len(data) + 1
    elif field_type == _STRUCT:
        end = at
        while inner := data[end]:
            end = _skip(data, end + 3, inner, depth - 1)
        end += 1
    elif field_type in (_LIST, _SET):
        element, count = _read_list_head(data, at)
        end = _skip_elements(data, at + 5, (element,), count, depth)
    elif field_type == _MAP:
        end = _skip_elements(
            data, at + 6, (data[at], data[at + 1]), _read_i32(data, at + 2)[0], depth
        )
    else:
        raise ProtocolError(f"record has a field of the unknown type {field_type}")
    if end > len(data):
        raise ProtocolError("a field reaches beyond the end of the record")
    return end


def _skip_elements(data: bytes, at: int, types: tuple[int, ...], count: int, depth: int) -> int:
    if not 0 <= count <= len(data) - at:  # every element of a known type has at least one byte
        raise ProtocolError("a container is longer than the record")
    for _ in range(count):
        for element in types:
            at = _skip(data, at, element, depth - 1)
    return at
