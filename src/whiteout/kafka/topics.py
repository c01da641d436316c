"""The topics between the stages: made where they are missing, and what they are."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from whiteout.errors import ConfigurationError, LogError
from whiteout.kafka import clients

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from confluent_kafka.admin import AdminClient

    from whiteout.kafka.settings import KafkaSettings

_Answer = TypeVar("_Answer")
_ANSWER_S = 15.0
_SLICE_S = 0.5  # of that: between two looks whether somebody wants to stop
_AGAIN_S = 0.05  # until a broker is asked again for a topic that it does not know yet
_ROOM_BYTES = 1_000  # that a message needs around it


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
    kafka = clients.library()
    from confluent_kafka.cimpl import NewTopic  # noqa: PLC0415 - only where Kafka is

    titles = {name: settings.topic(name) for name in names}
    try:
        client = clients.admin(settings)
        there = _described(client)
        new = [
            NewTopic(
                title,
                settings.partitions,
                settings.replication,
                config={"max.message.bytes": str(clients.MAX_MESSAGE_BYTES)},
            )
            for title in dict.fromkeys(titles.values())
            if title not in there.topics
        ]
        for made in (client.create_topics(new) if new else {}).values():
            _wait_for(kafka, made)
        described = once_known(lambda: _descriptions(client, [*{*titles.values()}]))
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


def once_known(ask: Callable[[], _Answer]) -> _Answer:
    """Ask brokers of topics that were made a moment ago.

    A controller says that a topic is made before all brokers know it, and who leads it.

    Raises:
        KafkaException: the brokers refuse, or still do not know it after a while.
    """
    kafka = clients.library()
    codes = kafka.KafkaError
    early = (
        codes.UNKNOWN_TOPIC_OR_PART,
        codes.LEADER_NOT_AVAILABLE,
        codes.NOT_LEADER_FOR_PARTITION,
    )
    deadline_s = time.monotonic() + _ANSWER_S
    while True:
        try:
            return ask()
        except kafka.KafkaException as error:
            if error.args[0].code() not in early or time.monotonic() >= deadline_s:
                raise
        time.sleep(_AGAIN_S)


def _descriptions(client: AdminClient, titles: list[str]) -> dict[str, Any]:
    topics = clients.library().TopicCollection(titles)
    found = client.describe_topics(topics, request_timeout=_ANSWER_S)
    return {title: future.result(_ANSWER_S) for title, future in found.items()}


def wait_for_brokers(settings: KafkaSettings, stop: threading.Event) -> bool:
    """Wait until Kafka answers; False: `stop` was set before.

    Raises:
        ConfigurationError: the library does not take an option.
        LogError: the brokers cannot be reached.
    """
    kafka = clients.library()
    try:
        _described(clients.admin(settings), stop)
    except kafka.KafkaException as error:
        if stop.is_set():
            return False
        raise _unusable(settings, error) from error
    return True


def _described(client: AdminClient, stop: threading.Event | None = None) -> Any:  # noqa: ANN401 - the library does not export it
    """What the brokers say of themselves, waited for in slices: Ctrl-C is heard between them."""
    deadline_s = time.monotonic() + _ANSWER_S
    while True:
        try:
            return client.list_topics(timeout=_SLICE_S)
        except clients.library().KafkaException:
            is_over = time.monotonic() >= deadline_s
            if is_over or (stop is not None and stop.is_set()):
                raise


def check_room(settings: KafkaSettings, names: Iterable[str], max_bytes: int) -> None:
    """Complain about topics that do not take what a collector writes.

    Such a record would be refused, and sent again by its tracker, for ever. Where Kafka does not
    say what a topic takes, nobody complains.

    Args:
        settings: see there.
        names: of topics.
        max_bytes: of a collector's record.

    Raises:
        ConfigurationError: there is one.
    """
    for name in names:
        title = settings.topic(name)
        room = _room(clients.admin(settings), title)
        if room is not None and room < max_bytes + _ROOM_BYTES:
            raise ConfigurationError(
                f"max_bytes must be at most {max(room - _ROOM_BYTES, 0)} for topic {title}, got"
                f" {max_bytes}; set it so, or raise the topic's max.message.bytes, which is {room}"
            )


def _room(client: AdminClient, title: str) -> int | None:
    """What a topic takes in one message, bytes; None where that is not said."""
    from confluent_kafka import admin  # noqa: PLC0415 - only where Kafka is

    kinds: Any = admin  # it does not mark them as exported
    asked = kinds.ConfigResource(kinds.ResourceType.TOPIC, title)
    try:
        found = client.describe_configs([asked], request_timeout=_ANSWER_S)[asked]
        return int(found.result(_ANSWER_S)["max.message.bytes"].value)
    except (clients.library().KafkaException, TimeoutError, KeyError, TypeError, ValueError):
        return None


def topics_of(settings: KafkaSettings, *, timeout_s: float) -> set[str]:
    """The names of the topics that there are, of whomever.

    Raises:
        ConfigurationError: the library is not installed.
        LogError: the brokers cannot be reached.
    """
    kafka = clients.library()
    try:
        return set(clients.admin(settings).list_topics(timeout=timeout_s).topics)
    except kafka.KafkaException as error:
        raise _unusable(settings, error) from error


def _unusable(settings: KafkaSettings, error: Exception) -> LogError:
    problem = error.args[0] if error.args else error
    said = problem.str() if hasattr(problem, "str") else str(problem) or type(error).__name__
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
