"""A loader's session with a real broker: where it begins to read."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.kafka.support import wait_until
from tests.lake.test_stream_loader import line

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


def test_a_topic_that_ends_before_what_is_loaded_of_it_is_not_read(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    """The client would begin at its start, and the loader pass over all that is new."""
    source = put_and_load(kafka, tmp_path)
    LakeTable(LakePlace(str(tmp_path)), "events", EVENTS_SCHEMA, durable=False).append(
        None, {source: 1_000}
    )

    with (
        session(kafka, tmp_path) as running,
        pytest.raises(LogError, match=r"ends at 1, and the lake has loaded 1000"),
    ):
        wait_until(lambda: running.step(0.1) > 0)


class Shortened:
    """A consumer of a topic whose retention was quicker than the loader."""

    def get_watermark_offsets(self, *_: object, **__: object) -> tuple[int, int]:
        return 3, 5


def test_messages_that_were_deleted_before_they_were_loaded_are_told(
    kafka: KafkaSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    consumer: Any = Shortened()
    with session(kafka, tmp_path) as running, caplog.at_level(logging.WARNING):
        for offset in (0, 1, 3, 5):
            place = clients.library().TopicPartition(kafka.topic("enriched"), 0, offset)
            running._check_end(consumer, place)

    told = [record.getMessage() for record in caplog.records if "deleted" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("2 messages of partition 0")
