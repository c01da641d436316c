"""Clients of Kafka, as the stages need them, and the topics between them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError, LogError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient

    from whiteout.kafka.settings import KafkaSettings

LOGGER = logging.getLogger("whiteout.kafka")
MAX_MESSAGE_BYTES = 10_000_000
"""Of one message: a bad row repeats what a collector takes in a request, and more."""

_ANSWER_S = 15.0
_QUEUED_KIB = 16 * 1024  # that a consumer has fetched ahead
_KIB = 1024


def library() -> ModuleType:
    """The module `confluent_kafka`.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import confluent_kafka  # noqa: PLC0415 - only where Kafka is
    except ImportError as error:
        raise ConfigurationError("Kafka needs more: pip install 'whiteout[kafka]'") from error
    return confluent_kafka


def producer(settings: KafkaSettings, *, waiting_bytes: int, **options: object) -> Producer:
    """A producer whose messages are acknowledged by all replicas in sync, once and in order.

    Args:
        settings: see there.
        waiting_bytes: how much may wait in it.
        **options: of librdkafka, `_` for `.`.
    """
    LOGGER.addFilter(_is_worth_telling)
    made: Producer = library().Producer(
        {
            **_common(settings),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 3,  # what comes together goes together
            "compression.type": "lz4",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": max(waiting_bytes // _KIB, 1),
            "queue.buffering.max.messages": 1_000_000,
            **{name.replace("_", "."): value for name, value in options.items()},
            **settings.producer,
        },
        logger=LOGGER,
    )
    return made


def consumer(settings: KafkaSettings, group: str, **options: object) -> Consumer:
    """A member of a group that commits its offsets itself, and reads from the first record on.

    Args:
        settings: see there.
        group: its name.
        **options: of librdkafka, `_` for `.`.
    """
    made: Consumer = library().Consumer(
        {
            **_common(settings),
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": _QUEUED_KIB,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            "fetch.wait.max.ms": 100,
            **{name.replace("_", "."): value for name, value in options.items()},
            **settings.consumer,
        },
        logger=LOGGER,
    )
    return made


def admin(settings: KafkaSettings) -> AdminClient:
    """What makes and describes topics."""
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - only where Kafka is

    return AdminClient(_common(settings), logger=LOGGER)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Not that the guarantee against gaps is experimental: what rests on it is tested."""
    return not record.getMessage().startswith("CONFWARN")


def _common(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.servers,
        "client.id": "whiteout",
        "log.connection.close": False,
        **settings.client,
    }


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is.

    Attributes:
        name: of the topic.
        identity: of the topic and its cluster; one that is made anew under its name has another.
        partitions: how many.
    """

    name: str
    identity: str
    partitions: int

    def source(self, partition: int) -> str:
        """The name of one of its partitions, under which offsets are stored."""
        return f"{self.identity}/{partition}"


def ensure_topics(settings: KafkaSettings, names: Iterable[str]) -> dict[str, Topic]:
    """Make the topics that do not exist, and say what they are.

    Args:
        settings: see there.
        names: of `settings.TOPICS`.

    Returns:
        The topics by these names.

    Raises:
        LogError: the brokers cannot be reached, or refuse.
    """
    kafka = library()
    from confluent_kafka.cimpl import NewTopic  # noqa: PLC0415 - only where Kafka is

    titles = {name: settings.topic(name) for name in names}
    try:
        client = admin(settings)
        there = client.list_topics(timeout=_ANSWER_S)
        new = [
            NewTopic(
                title,
                settings.partitions,
                settings.replication,
                config={"max.message.bytes": str(MAX_MESSAGE_BYTES)},
            )
            for title in dict.fromkeys(titles.values())
            if title not in there.topics
        ]
        for made in (client.create_topics(new) if new else {}).values():
            _wait_for(kafka, made)
        found = client.describe_topics(
            kafka.TopicCollection(list(dict.fromkeys(titles.values()))), request_timeout=_ANSWER_S
        )
        described = {title: future.result(_ANSWER_S) for title, future in found.items()}
    except (kafka.KafkaException, TimeoutError) as error:
        raise _unusable(settings, error) from error
    return {
        name: Topic(
            title,
            f"{there.cluster_id}/{title}/{described[title].topic_id}",
            len(described[title].partitions),
        )
        for name, title in titles.items()
    }


def topics_of(settings: KafkaSettings, *, timeout_s: float) -> set[str]:
    """The names of the topics that there are, of whomever.

    Raises:
        ConfigurationError: the library is not installed.
        LogError: the brokers cannot be reached.
    """
    kafka = library()
    try:
        return set(admin(settings).list_topics(timeout=timeout_s).topics)
    except kafka.KafkaException as error:
        raise _unusable(settings, error) from error


def _unusable(settings: KafkaSettings, error: Exception) -> LogError:
    problem = error.args[0] if error.args else error
    said = problem.str() if hasattr(problem, "str") else str(problem)
    return LogError(
        f"the topics on {settings.servers} cannot be used ({said}); "
        "check the address, and that Kafka runs there"
    )


def _wait_for(kafka: ModuleType, made: Any) -> None:  # noqa: ANN401 - a future of the library
    try:
        made.result(_ANSWER_S)
    except kafka.KafkaException as error:
        # Another stage was quicker.
        if error.args[0].code() != kafka.KafkaError.TOPIC_ALREADY_EXISTS:
            raise
