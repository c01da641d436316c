"""Topics that are made where they are missing."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from whiteout.kafka import clients
from whiteout.kafka.ends import Ends
from whiteout.kafka.topics import ensure_topics

if TYPE_CHECKING:
    import pytest

    from whiteout.kafka.settings import KafkaSettings

LATE_S = 0.3


class Hasty(AdminClient):
    """Says that topics are made before any broker knows them, as Apache Kafka's controller does."""

    def create_topics(self, new_topics: list[Any], **options: object) -> dict[str, Future[None]]:  # type: ignore[override] # that of one version
        threading.Timer(LATE_S, super().create_topics, [new_topics], options).start()
        made: dict[str, Future[None]] = {one.topic: Future() for one in new_topics}
        for future in made.values():
            future.set_result(None)
        return made


def test_topics_that_no_broker_knows_yet_are_waited_for(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a collector's first start on new brokers ended."""
    monkeypatch.setattr(
        clients, "admin", lambda settings: Hasty({"bootstrap.servers": settings.servers})
    )
    topics = ensure_topics(kafka, ("raw", "bad"))

    assert {name: topic.partitions for name, topic in topics.items()} == {"raw": 4, "bad": 4}
    assert topics == ensure_topics(kafka, ("raw", "bad"))


class Leaderless(AdminClient):
    """Of brokers that know a topic, and do not lead it yet, when they are asked first."""

    refusals = 1

    def list_offsets(  # type: ignore[override] # of what the library is made of
        self,
        topic_partition_offsets: dict[TopicPartition, Any],
        **options: Any,  # noqa: ANN401 - the same
    ) -> dict[TopicPartition, Future[Any]]:
        if not self.refusals:
            return super().list_offsets(topic_partition_offsets, **options)
        self.refusals -= 1
        refused: Future[Any] = Future()
        refused.set_exception(KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)))
        return dict.fromkeys(topic_partition_offsets, refused)


def test_partitions_that_nobody_leads_yet_are_waited_for(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a page's first start on new brokers ended."""
    monkeypatch.setattr(
        clients, "admin", lambda settings: Leaderless({"bootstrap.servers": settings.servers})
    )

    assert Ends(kafka, ["raw"]).earliest("raw") == {"raw": dict.fromkeys(range(4), 0)}
