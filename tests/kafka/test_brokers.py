"""Several brokers, one of them slow or gone: each event and each poison is accounted for once."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from tests.kafka.support import arrived, record, wait_until
from tests.support.broker import DEADLINE_S
from tests.support.cluster import Cluster, library

from whiteout.kafka.service import run_enrich, run_load
from whiteout.kafka.worker import home_of
from whiteout.lake.reader import Lake
from whiteout.lake.service import ServiceSettings
from whiteout.lake.settings import LoaderSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout.kafka.settings import KafkaSettings

pytestmark = pytest.mark.skipif(library() is None, reason="the client does not bring its mock")
SETTINGS = ServiceSettings(
    iglu_central=False, commit_interval_s=0.05, loader=LoaderSettings(durable=False)
)
POISON = [b"", b"\x00" * 1000, b"\xff" * 100, b'{"no":"thrift"}', b"\x0b" * 50]
SLOW_MS = 1_500


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@contextlib.contextmanager
def at_work(kafka: KafkaSettings, data: Path) -> Iterator[None]:
    """Two workers and a loader."""
    stop = threading.Event()
    threads = [
        *(threading.Thread(target=run_enrich, args=(kafka, SETTINGS, stop)) for _ in range(2)),
        threading.Thread(target=run_load, args=(kafka, data, SETTINGS, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(DEADLINE_S)
    assert not any(thread.is_alive() for thread in threads)


class Feed:
    """Writes to topics; of each partition as it comes."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer = Producer({"bootstrap.servers": kafka.servers})
        self._number = 0
        self.sent: set[str] = set()

    def put(self, topic: str, *values: bytes) -> None:
        for value in values:
            partition = self._number % self._kafka.partitions
            self._producer.produce(self._kafka.topic(topic), value, partition=partition)
            self._number += 1

    def send(self, count: int) -> None:
        """Send events with ids of their own."""
        names = [str(uuid.uuid4()) for _ in range(count)]
        self.put("raw", *(record({"eid": name}) for name in names))
        self.sent.update(names)

    def flush(self) -> None:
        assert self._producer.flush(DEADLINE_S) == 0


def failed(data: Path) -> int:
    try:
        return int(Lake(data / "lake").query("SELECT count(*) FROM failed_events")[0][0].as_py())
    except Exception:  # noqa: BLE001 - whatever is wrong with a lake that is being made
        return 0


def test_a_slow_partition_holds_back_itself_and_doubles_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Partition 2 of each topic is on a broker that takes seconds for an answer."""
    kafka = cluster.settings
    feed = Feed(kafka)
    with at_work(kafka, tmp_path):
        feed.send(3)
        feed.flush()
        wait_until(lambda: feed.sent <= arrived(tmp_path).keys())
        cluster.slow_down(3, SLOW_MS)
        feed.send(60)
        quick = {name for name in feed.sent if home_of(name, kafka.partitions) != 2}

        # Of what came by the quick partitions of the raw topic, at least.
        wait_until(lambda: len(quick & arrived(tmp_path).keys()) >= len(quick) // 3)
        while_slow = arrived(tmp_path).keys()
        wait_until(lambda: feed.sent <= arrived(tmp_path).keys(), 2 * DEADLINE_S)

    assert while_slow < feed.sent
    assert arrived(tmp_path) == Counter(feed.sent)


def test_a_broker_that_goes_and_comes_back_and_poison_lose_and_double_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Each broker in turn, so also those of the groups; poison in each of the topics."""
    kafka = cluster.settings
    feed = Feed(kafka)
    with at_work(kafka, tmp_path):
        for broker in (1, 2, 3):
            feed.send(20)
            feed.put("raw", *POISON)
            cluster.take_down(broker)
            feed.put("enriched", b"no event")
            feed.put("failed", b"neither JSON nor ours", b"\xff")
            feed.send(20)
            threading.Event().wait(0.7)
            cluster.bring_up(broker)
            feed.put("raw", *POISON)
            feed.send(20)
            feed.flush()
        everything = 3 * (2 * len(POISON) + 3)
        wait_until(lambda: feed.sent <= arrived(tmp_path).keys(), 2 * DEADLINE_S)
        wait_until(lambda: failed(tmp_path) >= everything)

    assert arrived(tmp_path) == Counter(feed.sent)
    assert failed(tmp_path) == everything
