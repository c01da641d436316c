"""Compressed records are read as the payloads that they hold."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.conftest import MINIMAL, NEW_UUID, NOW_MS, Bench, kind, messages, post

from whiteout.enrich import BadRow, EnrichedEvent, Enricher, EnrichSettings
from whiteout.enrich.unpacking import MAX_UNPACKED_BYTES, is_packed, unpack
from whiteout.iglu import EmbeddedRegistry, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_BYTES = 10_000_000


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=9).compress(data)


def gz(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=6)


def batch(*payloads: bytes) -> bytes:
    """Before it is compressed."""
    return b"\x01\x01" + b"".join(len(one).to_bytes(4) + one for one in payloads)


def page(title: str) -> bytes:
    return post({**MINIMAL, "page": title})


def enriched(record: bytes, *, max_bytes: int = MAX_BYTES) -> Sequence[object]:
    enricher = Enricher(
        Resolver([EmbeddedRegistry()]),
        EnrichSettings(max_record_bytes=max_bytes),
        now_ms=lambda: NOW_MS,
        new_uuid=lambda: NEW_UUID,
        enrichments=[],
    )
    return [
        one["page_title"] if isinstance(one, EnrichedEvent) else kind(one)
        for one in enricher.enrich(record)
        if isinstance(one, EnrichedEvent | BadRow)
    ]


@pytest.mark.parametrize("compress", [zstd, gz])
def test_BE29_a_compressed_batch_is_all_its_events(compress: Callable[[bytes], bytes]) -> None:
    record = compress(batch(page("one"), page("two"), page("three")))

    assert enriched(record) == ["one", "two", "three"]


def test_BE29_plain_and_compressed_records_may_be_mixed() -> None:
    records = [page("plain"), zstd(batch(page("zstd"))), page("again"), gz(batch(page("gzip")))]

    assert [enriched(record) for record in records] == [["plain"], ["zstd"], ["again"], ["gzip"]]


def test_BE29_a_batch_of_more_than_five_megabytes_is_read_in_pieces() -> None:
    """Nothing holds the whole: memory stays far below its size."""
    record = gz(batch(*[b"\x00" * 1_000_000] * 30))

    tracemalloc.start()
    sizes = [len(one) for one in unpack(record, max_payload_bytes=MAX_BYTES) if type(one) is bytes]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sizes == [1_000_000] * 30
    assert peak < 5_242_880


@pytest.mark.parametrize("compress", [zstd, gz])
def test_BE29_a_single_payload_over_the_limit_is_a_size_violation_and_no_other(
    compress: Callable[[bytes], bytes],
) -> None:
    record = compress(batch(page("one"), page("x" * 5_000), page("three")))

    assert enriched(record, max_bytes=4_000) == ["one", "size_violation", "three"]


@pytest.mark.parametrize("compress", [zstd, gz])
def test_what_unpacks_without_end_is_cut_off_with_a_size_violation(
    compress: Callable[[bytes], bytes],
) -> None:
    """What came before it is kept."""
    claim = (2**32 - 1).to_bytes(4) + b"\x00" * 1_000_000
    bomb = compress(batch(page("one")) + claim)

    assert enriched(bomb) == ["one", "size_violation"]


def test_millions_of_tiny_payloads_are_no_way_to_make_millions_of_bad_rows() -> None:
    record = gz(b"\x01\x01" + b"\x00\x00\x00\x01A" * 1_000_000)

    found = list(unpack(record, max_payload_bytes=MAX_BYTES))

    assert len(found) == MAX_UNPACKED_BYTES // 512 + 1


@pytest.mark.parametrize("compress", [zstd, gz])
def test_a_damaged_batch_keeps_the_events_before_the_damage(
    compress: Callable[[bytes], bytes],
) -> None:
    cut = compress(batch(page("one"), page("two"))[:-10])

    assert enriched(cut) == ["one", "collector_payload_format_violation"]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(zstd(b""), id="nothing"),
        pytest.param(gz(b"\x01\x02"), id="another kind"),
        pytest.param(gz(b"\x02\x01" + batch(b"x")[2:]), id="another version"),
        pytest.param(gz(batch(b"")), id="an empty payload"),
        pytest.param(gz(batch() + b"\x00\x00"), id="half a length"),
        pytest.param(gz(batch(page("one")))[:12], id="cut gzip"),
        pytest.param(zstd(batch(page("one")))[:12], id="cut zstd"),
        pytest.param(b"\x1f\x8b", id="the magic of gzip"),
        pytest.param(b"\x28\xb5\x2f\xfd", id="the magic of zstd"),
    ],
)
def test_a_batch_that_cannot_be_read_is_one_bad_row_that_withholds_its_bytes(
    bench: Bench, record: bytes
) -> None:
    """Whether it was anonymous nobody can say."""
    row = bench.bad(record)

    assert kind(row) == "collector_payload_format_violation"
    assert row.data["payload"] == ""
    assert "compressed record" in messages(row)[0]["error"]


def test_an_empty_batch_is_nothing() -> None:
    assert enriched(gz(batch())) == []


@given(st.binary(max_size=200), st.sampled_from([b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_whatever_the_bytes_unpacking_ends_without_an_error(tail: bytes, magic: bytes) -> None:
    assert is_packed(magic + tail)
    for one in unpack(magic + tail, max_payload_bytes=1_000):
        assert one is not None


@given(st.binary(max_size=300))
def test_whatever_a_batch_holds_unpacking_ends_without_an_error(inside: bytes) -> None:
    for compress in (zstd, gz):
        list(unpack(compress(b"\x01\x01" + inside), max_payload_bytes=100))
