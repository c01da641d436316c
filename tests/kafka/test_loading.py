"""A loader's session with a real broker: where it begins to read."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.kafka.support import wait_until
from tests.lake.test_stream_loader import line
from tests.support.cluster import Cluster, library

from whiteout.errors import LogError
from whiteout.kafka import clients
from whiteout.kafka.loading import LoadingSession
from whiteout.kafka.topics import ensure_topics
from whiteout.lake.batch import EVENTS_SCHEMA
from whiteout.lake.place import LakePlace
from whiteout.lake.reader import Lake
from whiteout.lake.settings import LoaderSettings
from whiteout.lake.stream_loader import StreamLoader
from whiteout.lake.tables import LakeTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout.kafka.settings import KafkaSettings

NOW_MS = 1_795_000_000_000


@contextlib.contextmanager
def session(kafka: KafkaSettings, folder: Path) -> Iterator[LoadingSession]:
    loader = StreamLoader(
        folder,
        lookup=lambda _: {},
        settings=LoaderSettings(durable=False),
        now_ms=lambda: NOW_MS,
    )
    with contextlib.closing(loader):
        made = LoadingSession(kafka, loader, max_records=100)
        with contextlib.closing(made):
            yield made


def put_and_load(kafka: KafkaSettings, folder: Path) -> str:
    """Load one event; the source that it came from."""
    topic = ensure_topics(kafka, ["enriched"])["enriched"]
    producer = clients.producer(kafka, waiting_bytes=1_000_000)
    producer.produce(topic.name, line("a"), partition=0)
    producer.flush()
    with session(kafka, folder) as running:
        wait_until(lambda: running.step(0.1) > 0)
    assert Lake(folder).query("SELECT count(*) AS n FROM events").to_pylist() == [{"n": 1}]
    return topic.source(0)


@pytest.fixture
def shortened() -> Iterator[Cluster]:
    """Brokers that say so where they are asked for what they have not: the binary waits for it."""
    if library() is None:
        pytest.skip("the client's library lies elsewhere on this system")
    with Cluster(brokers=1, partitions=1) as cluster:
        yield cluster


def test_a_topic_that_ends_before_what_is_loaded_of_it_is_not_read(
    shortened: Cluster, tmp_path: Path
) -> None:
    """The client would begin at its start, and the loader pass over all that is new."""
    source = put_and_load(shortened.settings, tmp_path)
    LakeTable(LakePlace(str(tmp_path)), "events", EVENTS_SCHEMA, durable=False).append(
        None, {source: 1_000}
    )

    with (
        session(shortened.settings, tmp_path) as running,
        pytest.raises(LogError, match=r"ends at 1, and the lake has loaded 1000"),
    ):
        wait_until(lambda: running.step(0.1) > 0)


class Quick:
    """A consumer of a topic whose retention was quicker than the loader."""

    def __init__(self) -> None:
        self.sought: list[int] = []

    def position(self, places: list[Any]) -> list[Any]:
        return places

    def get_watermark_offsets(self, *_: object, **__: object) -> tuple[int, int]:
        return 3, 5

    def seek(self, place: Any) -> None:  # noqa: ANN401 - the client has no types
        self.sought.append(place.offset)


def test_messages_that_were_deleted_before_they_were_loaded_are_told(
    kafka: KafkaSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    consumer: Any = Quick()
    topic = kafka.topic("enriched")
    with session(kafka, tmp_path) as running, caplog.at_level(logging.WARNING):
        running._begun[topic, 0] = 1
        real, running._consumer = running._consumer, consumer
        running._go_on_from(topic, 0)
        running._consumer = real

    told = [record.getMessage() for record in caplog.records if "deleted" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("2 messages of partition 0")
    assert consumer.sought == [3]
