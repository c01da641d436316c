"""Records that are enriched together become what each of them becomes alone, in their order."""

from __future__ import annotations

import gzip
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from tests.enrich.conftest import MINIMAL, NOW_MS, get, post, query_of

from whiteout.enrich import BadRow, Dropped, EnrichedEvent, Enricher
from whiteout.enrich.enrichments.interface import DropEventError
from whiteout.iglu import EmbeddedRegistry, Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson


class Moody:
    """Breaks down at the page `fault`, and lets the page `drop` vanish."""

    schema, identifier = "iglu:com.acme/moody/jsonschema/1-0-0", "moody"

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        if event["page_title"] == "drop":
            raise DropEventError
        if event["page_title"] == "fault":
            raise ZeroDivisionError
        return ()


def enricher() -> Enricher:
    numbers = count()
    return Enricher(
        Resolver([EmbeddedRegistry()]),
        now_ms=lambda: NOW_MS,
        new_uuid=lambda: UUID(int=next(numbers)),
        enrichments=[Moody()],
    )


def pages(*titles: str) -> bytes:
    return post(*({**MINIMAL, "page": title} for title in titles))


def compressed(*payloads: bytes) -> bytes:
    return gzip.compress(b"\1\1" + b"".join(len(one).to_bytes(4) + one for one in payloads))


def told(results: Sequence[EnrichedEvent | BadRow | Dropped]) -> list[str]:
    """Results as texts."""
    return [
        one.tsv()
        if isinstance(one, EnrichedEvent)
        else one.json()
        if isinstance(one, BadRow)
        else "dropped"
        for one in results
    ]


RECORDS = [
    pages("a"),
    pages("b", "drop", "c"),
    b"no record",
    pages("d", "fault", "e"),
    get("nothing=at&all"),
    compressed(pages("f"), b"broken", pages("g", "drop")),
    compressed(),
    post({**MINIMAL, "page": "h"}, headers=("SP-Anonymous: *",)),
    pages(*(f"many {number}" for number in range(40))),
    get(query_of({**MINIMAL, "dtm": "no time"})),
]


@pytest.mark.parametrize("repeated", [1, 5])
def test_each_record_becomes_what_it_becomes_alone(repeated: int) -> None:
    records = RECORDS * repeated
    alone = enricher()

    together = list(map(told, enricher().enrich_all(records)))

    assert together == [told(alone.enrich(record)) for record in records]
    assert [len(results) for results in together] == [1, 3, 1, 1, 1, 4, 0, 1, 40, 1] * repeated


def test_a_fault_of_ours_costs_its_own_record_only() -> None:
    before, broken, after = enricher().enrich_all([pages("a"), pages("b", "fault"), pages("c")])

    assert [type(one) for one in (*before, *broken, *after)] == [
        EnrichedEvent,
        BadRow,
        EnrichedEvent,
    ]


def test_no_more_than_some_records_are_read_ahead() -> None:
    read = 0

    def records() -> Iterator[bytes]:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield pages(str(number))

    results = enricher().enrich_all(records())
    next(results)
    assert read <= 100


def test_large_records_are_not_gathered() -> None:
    """Each may be of ten megabytes; what is made of one takes several times as much."""
    read = 0

    def records() -> Iterator[bytes]:
        nonlocal read
        for _ in range(20):
            read += 1
            yield pages("x" * 900_000)

    next(enricher().enrich_all(records()))
    assert read <= 2


def test_missing_ids_come_from_what_stands_beside_the_record() -> None:
    makers = [lambda number=number: UUID(int=number) for number in (7, 8)]

    first, second = enricher().enrich_all([pages("a"), pages("b", "c")], makers)

    ids = [one["event_id"] for one in (*first, *second) if isinstance(one, EnrichedEvent)]
    assert ids == [str(UUID(int=number)) for number in (7, 8, 8)]
