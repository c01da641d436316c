"""A real broker for the tests of this folder, and readers of its topics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from tests.support.broker import DEADLINE_S, Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message

    from whiteout.kafka.settings import KafkaSettings


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[Broker]:
    """One broker for all tests that do not harm it."""
    running = Broker()
    yield running
    running.close()


@pytest.fixture
def kafka(shared_broker: Broker) -> KafkaSettings:
    """Settings with fresh topics on the shared broker."""
    return shared_broker.settings()


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker that may be killed."""
    running = Broker()
    if not running.is_ours:
        running.close()
        pytest.skip("the broker of WHITEOUT_KAFKA is not ours to kill")
    yield running
    running.close()


def read_topic(settings: KafkaSettings, name: str, count: int) -> list[Message]:
    """The first `count` messages of a topic, of all partitions; fails when they do not come."""
    found = read_until(settings, name, lambda messages: len(messages) >= count)
    assert len(found) == count
    return found


def read_until(
    settings: KafkaSettings, name: str, enough: Callable[[list[Message]], bool]
) -> list[Message]:
    """The messages of a topic, of all partitions, until there are enough; fails when never."""
    consumer = Consumer(
        {"bootstrap.servers": settings.servers, "group.id": "reader", "fetch.wait.max.ms": 20}
    )
    title = settings.topic(name)
    found: list[Message] = []
    try:
        partitions = consumer.list_topics(title, timeout=DEADLINE_S).topics[title].partitions
        consumer.assign([TopicPartition(title, one, OFFSET_BEGINNING) for one in partitions])
        deadline = time.monotonic() + DEADLINE_S
        while not enough(found) and time.monotonic() < deadline:
            found += consumer.consume(1, 0.1)
    finally:
        consumer.close()
    assert [message.error() for message in found] == [None] * len(found)
    assert enough(found)
    return found
