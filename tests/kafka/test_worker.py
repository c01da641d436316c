"""Enrich workers: what comes of a record, the same each time, and nothing stops them."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from confluent_kafka import Producer
from tests.kafka.conftest import read_topic, read_until
from tests.kafka.support import record, wait_for, wait_until

from whiteout.enrich.event import BadRow
from whiteout.enrich.tsv import read_tsv
from whiteout.kafka.origin import ORIGIN, read_origin
from whiteout.kafka.service import run_enrich, run_load
from whiteout.kafka.topics import ensure_topics
from whiteout.kafka.worker import Identities, Limits, Worker, WorkerCounts
from whiteout.lake.service import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from confluent_kafka import Message
    from tests.support.broker import Broker

    from whiteout.kafka.settings import KafkaSettings

SETTINGS = ServiceSettings(iglu_central=False)


def put(kafka: KafkaSettings, *records: bytes | None, topic: str = "raw") -> None:
    """Write to a topic, each message to the next partition."""
    ensure_topics(kafka, ("raw", "bad", "enriched", "failed"))
    producer = Producer({"bootstrap.servers": kafka.servers, "message.max.bytes": 11_000_000})
    for number, value in enumerate(records):
        producer.produce(kafka.topic(topic), value, partition=number % kafka.partitions)
    assert producer.flush(30) == 0


@contextmanager
def enriching(kafka: KafkaSettings, workers: int = 1) -> Iterator[None]:
    """Run workers in threads."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=run_enrich, args=(kafka, SETTINGS, stop)) for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def event_id(message: Message) -> str | None:
    return read_tsv((message.value() or b"").decode())["event_id"]


def place(message: Message) -> tuple[int | None, Any]:
    header = dict(message.headers() or ()).get(ORIGIN)
    return message.partition(), read_origin(header if isinstance(header, bytes) else None)


def test_events_bad_rows_and_what_is_left_of_them_go_to_their_topics(shared_broker: Broker) -> None:
    kafka = shared_broker.settings(keep_incomplete=True)
    put(kafka, record({"eid": "11111111-1111-4111-8111-111111111111"}, {"p": "nonsense"}))
    with enriching(kafka):
        (good,) = read_topic(kafka, "enriched", 1)
        (failed,) = read_topic(kafka, "failed", 1)
        (rest,) = read_topic(kafka, "incomplete", 1)

    event = read_tsv((good.value() or b"").decode())
    assert event["event_id"] == "11111111-1111-4111-8111-111111111111"
    assert (failed.value() or b"").startswith(b'{"schema":"iglu:com.snowplowanalytics.snowplow.bad')
    assert read_tsv((rest.value() or b"").decode()).derived_contexts[0].key.name == "failure"
    for message in (failed, rest):
        partition, origin = place(message)
        assert (partition, origin.offset, origin.number) == (0, 0, 1)
    assert [message.key() for message in (good, failed, rest)] == [None] * 3
    assert good.headers() is None


def test_what_is_left_of_failed_events_is_loaded_where_that_is_asked_for(
    shared_broker: Broker, tmp_path: Path
) -> None:
    kafka = shared_broker.settings(keep_incomplete=True)
    names = [str(UUID(int=number)) for number in range(8)]
    put(kafka, *(record({"eid": name, "p": "nonsense"}) for name in names))
    stop = threading.Event()
    loader = threading.Thread(target=run_load, args=(kafka, tmp_path, SETTINGS, stop))
    with enriching(kafka):
        loader.start()
        try:
            wait_for(tmp_path, {*names}, "incomplete_events")
            wait_for(tmp_path, {*names}, "failed_events")
        finally:
            stop.set()
            loader.join(30)


def test_poison_becomes_a_failed_event_and_what_is_behind_it_goes_on(kafka: KafkaSettings) -> None:
    """All on one partition, in order: each is accounted for."""
    poison = [b"", None, b"\x00" * 1000, b"\xff" * 100, b'{"no":"thrift"}', b"\x0b" * 50]
    records = [*poison, record({})]
    put(kafka, *(one for value in records for one in (value, *[record({})] * 3)))
    with enriching(kafka):
        failed = read_topic(kafka, "failed", len(poison))
        good = read_topic(kafka, "enriched", 1 + 3 * len(records))

    assert len({place(message) for message in failed}) == len(poison)
    assert len({event_id(one) for one in good}) == len(good)


def test_a_record_that_is_enriched_again_gives_the_same_ids(kafka: KafkaSettings) -> None:
    """A worker that died before it committed; the second has another group and starts anew."""
    put(kafka, *(record({}, {}, {"p": "nonsense"}) for _ in range(20)))
    with enriching(kafka):
        read_topic(kafka, "enriched", 40)
    again = type(kafka)(
        servers=kafka.servers,
        prefix=kafka.prefix,
        partitions=kafka.partitions,
        replication=1,
        consumer=kafka.consumer,
        enrich_group=f"{kafka.prefix}-again",
    )
    with enriching(again):
        good, failed = read_topic(kafka, "enriched", 80), read_topic(kafka, "failed", 40)

    ids = Counter((message.partition(), event_id(message)) for message in good)
    assert set(ids.values()) == {2}
    assert len(ids) == 40
    assert set(Counter(place(message) for message in failed).values()) == {2}


def test_ids_do_not_depend_on_what_a_record_holds() -> None:
    """Else whoever guesses what was masked could see by the id whether he is right."""
    made = []
    for place in [("a", 1, 5), ("a", 1, 5), ("b", 1, 5), ("a", 2, 5)]:
        identities = Identities(*place)
        made.append((identities(), identities()))

    assert made[0] == made[1]
    assert len({one for pair in made for one in pair}) == 6
    assert {one.version for pair in made for one in pair} == {4}


def test_what_is_too_large_for_a_topic_becomes_a_size_violation(kafka: KafkaSettings) -> None:
    """Also what another step made too large; and it is known again by its place."""
    put(kafka, b"large", b"small")

    def enrich(records: Iterable[bytes], _: object) -> Iterator[Sequence[BadRow]]:
        for value in records:
            text = "x" * (2000 if value == b"large" else 1)
            yield [BadRow("iglu:a/b/jsonschema/1-0-0", {"text": text})]

    limits, counts = Limits(message_bytes=1000), WorkerCounts()
    worker = Worker(
        kafka,
        enrich=enrich,
        now_ms=lambda: 1_795_000_000_000,
        counts=counts,
        limits=limits,
    )
    wait_until(lambda: worker.step(0.1) >= 0 and counts.records == 2)
    worker.close()

    rows = {place(one)[0]: one.value() or b"" for one in read_topic(kafka, "failed", 2)}
    assert b"size_violation" in rows[0]
    assert b'"maximumAllowedSizeBytes":1000' in rows[0]
    assert rows[1] == b'{"schema":"iglu:a/b/jsonschema/1-0-0","data":{"text":"x"}}'
    assert counts.too_large == 1


def test_workers_share_the_partitions_and_take_over_from_each_other(kafka: KafkaSettings) -> None:
    """One stops, another starts; nothing is missing."""
    put(kafka, *(record({}) for _ in range(40)))
    with enriching(kafka, 2):
        read_topic(kafka, "enriched", 40)
        put(kafka, *(record({}) for _ in range(40)))
        with enriching(kafka):
            put(kafka, *(record({}) for _ in range(40)))
        # A rebalance may let a batch come twice, with the same ids.
        read_until(kafka, "enriched", lambda messages: len(set(map(event_id, messages))) == 120)
