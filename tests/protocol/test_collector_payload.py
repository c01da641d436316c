"""The record between collector and enrich."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
import thriftpy2
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from thriftpy2 import protocol as thrift_protocol
from thriftpy2.utils import deserialize, serialize

from whiteout.errors import ProtocolError
from whiteout.protocol.collector_payload import (
    DEFINITION,
    MAX_RECORD_BYTES,
    SCHEMA,
    CollectorPayload,
    decode,
    encode,
    encode_parts,
)

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_optional = st.none() | _texts
_binary: Any = thrift_protocol.TCyBinaryProtocolFactory  # untyped there
payloads = st.builds(
    CollectorPayload,
    ip_address=_texts,
    timestamp=st.integers(-(2**63), 2**63 - 1),
    encoding=_texts,
    collector=_texts,
    user_agent=_optional,
    referer_uri=_optional,
    path=_optional,
    querystring=_optional,
    body=_optional,
    headers=st.lists(_texts, max_size=5).map(tuple),
    content_type=_optional,
    hostname=_optional,
    network_user_id=_optional,
)

SMALL = CollectorPayload(ip_address="192.0.2.3", timestamp=1_700_000_000_123, collector="whiteout")


def _text_field(field_id: int, text: str) -> bytes:
    raw = text.encode()
    return b"\x0b" + struct.pack(">hi", field_id, len(raw)) + raw


def _golden() -> bytes:
    """A record put together from the layout alone, with none of the code under test."""
    return b"".join(
        [
            _text_field(31337, SCHEMA),
            _text_field(100, "2001:db8::1"),
            b"\x0a\x00\xc8" + (1_700_000_000_123).to_bytes(8, "big"),
            _text_field(210, "UTF-8"),
            _text_field(220, "whiteout-0.1.0-spool"),
            _text_field(300, "Mozilla/5.0 é"),
            _text_field(310, "https://example.com/a?b=c"),
            _text_field(320, "/com.snowplowanalytics.snowplow/tp2"),
            _text_field(330, ""),
            _text_field(340, '{"schema":"iglu:x"}'),
            b"\x0f\x01\x5e\x0b\x00\x00\x00\x02",
            b"\x00\x00\x00\x0aAccept: */",
            b"\x00\x00\x00\x10application/json",
            _text_field(360, "application/json"),
            _text_field(410, "00000000-0000-0000-0000-000000000000"),
            b"\x00",
        ]
    )


GOLDEN_PAYLOAD = CollectorPayload(
    ip_address="2001:db8::1",
    timestamp=1_700_000_000_123,
    collector="whiteout-0.1.0-spool",
    user_agent="Mozilla/5.0 é",
    referer_uri="https://example.com/a?b=c",
    path="/com.snowplowanalytics.snowplow/tp2",
    querystring="",
    body='{"schema":"iglu:x"}',
    headers=("Accept: */", "application/json"),
    content_type="application/json",
    hostname=None,
    network_user_id="00000000-0000-0000-0000-000000000000",
)


def test_a_record_built_by_hand_from_the_layout_decodes() -> None:
    assert decode(_golden()) == GOLDEN_PAYLOAD


def test_the_field_headers_on_the_wire_are_those_of_the_layout() -> None:
    assert encode(SMALL) == b"".join(
        [
            b"\x0a\x00\xc8" + (1_700_000_000_123).to_bytes(8, "big"),
            _text_field(31337, SCHEMA),
            _text_field(100, "192.0.2.3"),
            _text_field(210, "UTF-8"),
            _text_field(220, "whiteout"),
            b"\x00",
        ]
    )


@given(payloads)
def test_what_is_encoded_decodes_to_the_same(payload: CollectorPayload) -> None:
    assert decode(encode(payload)) == payload


def _thriftpy_struct() -> Any:  # noqa: ANN401 - a class made at run time
    module = thriftpy2.load_fp(io.StringIO(DEFINITION), "collector_payload_thrift")
    return module.CollectorPayload


@given(payloads)
def test_another_thrift_implementation_reads_and_writes_the_same(
    payload: CollectorPayload,
) -> None:
    theirs = deserialize(_thriftpy_struct()(), encode(payload), _binary())

    assert theirs.schema == SCHEMA
    assert theirs.ipAddress == payload.ip_address
    assert theirs.timestamp == payload.timestamp
    assert tuple(theirs.headers or ()) == payload.headers
    assert theirs.body == payload.body
    assert theirs.networkUserId == payload.network_user_id
    assert decode(serialize(theirs, _binary())) == payload


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_fail_in_another_way(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data)


@given(payloads, st.data())
def test_a_damaged_record_decodes_or_is_refused(payload: CollectorPayload, data: Any) -> None:  # noqa: ANN401 - hypothesis' type is not public
    record = bytearray(encode(payload))
    for _ in range(data.draw(st.integers(1, 5))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))

    try:
        decoded = decode(bytes(record))
    except ProtocolError:
        return
    assert len(encode(decoded)) < 4 * len(record) + 200  # nothing is conjured from a length


@given(payloads)
def test_a_record_cut_anywhere_is_refused(payload: CollectorPayload) -> None:
    record = encode(payload)
    for end in range(0, len(record), 7):
        with pytest.raises(ProtocolError):
            decode(record[:end])


@pytest.mark.parametrize(
    "extra",
    [
        b"\x02\x27\x10\x01",  # bool
        b"\x08\x27\x10\x00\x00\x00\x01",  # i32
        _text_field(10_000, "text"),
        b"\x0f\x27\x10\x0b\x00\x00\x00\x01\x00\x00\x00\x01x",  # list of one text
        b"\x0d\x27\x10\x0b\x08\x00\x00\x00\x01\x00\x00\x00\x01x\x00\x00\x00\x07",  # map
        b"\x0c\x27\x10\x02\x00\x01\x01\x00",  # struct with a bool
        b"\x08\x00\x64\x00\x00\x00\x01",  # a known id of another type
    ],
)
def test_unknown_fields_are_passed_over(extra: bytes) -> None:
    assert decode(extra + _golden()) == GOLDEN_PAYLOAD


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x0b\x01\x54\x7f\xff\xff\xff",  # a text of 2 GiB
        b"\x0b\x01\x54\xff\xff\xff\xff",  # a text of negative length
        b"\x0f\x01\x5e\x0b\x7f\xff\xff\xff",  # 2^31 headers
        b"\x0f\x01\x5e\x0b\xff\xff\xff\xff",
        b"\x0f\x27\x10\x00\x7f\xff\xff\xff",  # 2^31 elements of no size
        b"\x0f\x27\x10\x01\x00\x00\x00\x02",
        b"\x0f\x27\x10\x0f\x00\x00\x00\x01" * 3000,
        b"\x0c\x00\x01" * 3000,  # structs in structs
        b"\x1f\x00\x01",  # no such type
    ],
)
def test_impossible_lengths_depths_and_types_are_refused_at_once(hostile: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(hostile + _golden())


@pytest.mark.parametrize("missing", ["ip_address", "encoding", "collector"])
def test_a_required_text_must_be_there(missing: str) -> None:
    fields = {100: "ip_address", 210: "encoding", 220: "collector"}
    record = encode_parts(
        1,
        [(31337, SCHEMA.encode())] + [(i, b"x") for i, name in fields.items() if name != missing],
        [],
    )

    with pytest.raises(ProtocolError, match="no ipAddress"):
        decode(record)


def test_the_schema_and_the_timestamp_must_be_there() -> None:
    body = [(100, b"x"), (210, b"UTF-8"), (220, b"c")]

    with pytest.raises(ProtocolError, match="CollectorPayload 1-0-x"):
        decode(encode_parts(1, body, []))
    with pytest.raises(ProtocolError, match="CollectorPayload 1-0-x"):
        decode(encode_parts(1, [*body, (31337, b"iglu:other/x/thrift/1-0-0")], []))
    with pytest.raises(ProtocolError, match="timestamp"):
        decode(_text_field(31337, SCHEMA) + _text_field(100, "x") + b"\0")
    with pytest.raises(ProtocolError, match="64 bits"):
        encode(replace(SMALL, timestamp=2**63))


def test_later_revisions_of_the_schema_are_read() -> None:
    later = SCHEMA.replace("1-0-0", "1-0-7").encode()
    fields = [(31337, later), (100, b"x"), (210, b"UTF-8"), (220, b"c")]

    assert decode(encode_parts(1, fields, [])).ip_address == "x"


def test_bytes_that_are_not_utf_8_and_lone_surrogates_are_replaced() -> None:
    record = encode_parts(
        1, [(31337, SCHEMA.encode()), (100, b"x"), (210, b"U"), (220, b"c"), (340, b"a\xffb")], []
    )

    assert decode(record).body == "a�b"
    assert decode(encode(replace(SMALL, body="a\ud800b"))).body == "a?b"


def test_a_record_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(ProtocolError, match="larger than"):
        decode(b"\0" * (MAX_RECORD_BYTES + 1))
