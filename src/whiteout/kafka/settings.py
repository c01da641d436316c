"""Where the brokers are, what the topics are called, what the clients are told.

Later ones win: the table `[kafka]` of the file, variables `WHITEOUT_KAFKA_…`, assignments such as
`partitions=16`, and the prefix in the address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TABLE = "kafka"
VARIABLES = "WHITEOUT_KAFKA_"
SCHEME = "kafka://"
TOPICS = ("raw", "bad", "enriched", "failed", "incomplete")

_SERVERS = re.compile(r"[^,/\s]+:[0-9]{1,5}(,[^,/\s]+:[0-9]{1,5})*")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
# What is promised rests on these; `acks` of 1, say, loses what was accepted.
_OURS = MappingProxyType(
    {
        **dict.fromkeys(
            ("bootstrap.servers", "metadata.broker.list"), "the address says where Kafka is"
        ),
        **dict.fromkeys(
            ("acks", "request.required.acks", "enable.idempotence", "enable.gapless.guarantee"),
            "every record is acknowledged by all replicas in sync, once and in order",
        ),
        "transactional.id": "nothing is written in transactions",
        "message.max.bytes": "it is 10 MB, and a topic's own max.message.bytes says what it takes",
        "group.id": "enrich_group and load_group name the groups",
        **dict.fromkeys(
            ("enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store"),
            "an offset is committed once what came of its record is stored",
        ),
        "auto.offset.reset": "a new group begins with the oldest record",
        "isolation.level": "records of broken transactions are not read",
        "enable.partition.eof": "only the page asks for it",
        **dict.fromkeys(
            ("partition.assignment.strategy", "group.protocol", "group.remote.assignor"),
            "partitions are given all at once, so that who has lost one stops reading it",
        ),
        **dict.fromkeys(
            ("message.timeout.ms", "delivery.timeout.ms"),
            "no record is given up because of its age while later ones arrive",
        ),
    }
)
_NUMBERS = ("partitions", "replication")
_CLIENTS = ("client", "producer", "consumer")


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """How the stages reach Kafka.

    Attributes:
        servers: `HOST:PORT`, several between commas.
        prefix: of the topics and consumer groups.
        partitions: of topics that do not exist yet.
        replication: of topics that do not exist yet; -1 takes the brokers' default.
        raw, bad, enriched, failed, incomplete: other names for single topics.
        enrich_group, load_group: other names for the consumer groups.
        keep_incomplete: whether what is left of failed events goes to `incomplete`.
        client, producer, consumer: options of librdkafka, for all clients or one kind.

    Raises:
        ConfigurationError: a value is outside its range, or an option is not to be set.
    """

    servers: str
    prefix: str = "whiteout"
    partitions: int = 8
    replication: int = -1
    raw: str = ""
    bad: str = ""
    enriched: str = ""
    failed: str = ""
    incomplete: str = ""
    enrich_group: str = ""
    load_group: str = ""
    keep_incomplete: bool = False
    client: Mapping[str, Any] = field(default_factory=_nothing, repr=False)  # has passwords
    producer: Mapping[str, Any] = field(default_factory=_nothing, repr=False)
    consumer: Mapping[str, Any] = field(default_factory=_nothing, repr=False)

    def __post_init__(self) -> None:
        if not _SERVERS.fullmatch(self.servers):
            raise ConfigurationError(f"servers must look like HOST:PORT, got {self.servers!r}")
        names = {name: getattr(self, name) for name in (*TOPICS, "enrich_group", "load_group")}
        for name, value in {"prefix": self.prefix, **names}.items():
            if (value or name == "prefix") and not _NAME.fullmatch(value):
                raise ConfigurationError(
                    f"{name} must be letters, digits, '.', '_' or '-', got {value!r}"
                )
        if not 1 <= self.partitions <= 10_000:  # noqa: PLR2004 - said in the message
            raise ConfigurationError(f"partitions must be 1 to 10000, got {self.partitions!r}")
        if self.replication != -1 and self.replication < 1:
            raise ConfigurationError(
                f"replication must be -1 or at least 1, got {self.replication!r}"
            )
        for kind in _CLIENTS:
            for option in getattr(self, kind):
                if option in _OURS:
                    raise ConfigurationError(
                        f"{kind}.{option} cannot be set: {_OURS[option]}; leave it out"
                    )

    def topic(self, name: str) -> str:
        """The name of a topic; `name` is one of `TOPICS`."""
        return getattr(self, name) or f"{self.prefix}-{name}"

    @property
    def topics(self) -> tuple[str, ...]:
        """Those of `TOPICS` that there are."""
        return TOPICS if self.keep_incomplete else TOPICS[:-1]

    @property
    def enriching(self) -> str:
        """The consumer group of the enrich workers."""
        return self.enrich_group or f"{self.prefix}-enrich"

    @property
    def loading(self) -> str:
        """The consumer group of the loaders."""
        return self.load_group or f"{self.prefix}-loader"


def is_kafka(address: str) -> bool:
    """Whether `address` is one of Kafka's."""
    return address.startswith(SCHEME)


def kafka_settings(
    address: str,
    table: Mapping[str, Any],
    environment: Mapping[str, str],
    assignments: Sequence[str],
) -> KafkaSettings:
    """Make the settings.

    Args:
        address: `kafka://HOST:PORT` or `kafka://HOST:PORT/PREFIX`.
        table: `[kafka]` of a TOML file, read; tables in it are options of librdkafka.
        environment: variables; of these the ones that begin with `VARIABLES` count.
        assignments: `option=value`; `client.…=value` is an option of librdkafka.

    Raises:
        ConfigurationError: an option is not known, or its value is wrong.
    """
    servers, _, prefix = address.removeprefix(SCHEME).partition("/")
    if not is_kafka(address) or not _SERVERS.fullmatch(servers):
        raise ConfigurationError(
            f"a Kafka address must look like kafka://HOST:PORT/PREFIX, got {address!r}"
        )
    options: dict[str, Any] = {}
    clients: dict[str, Any] = {name: {} for name in _CLIENTS}
    for name, value in _given(table, environment, assignments):
        kind, dot, option = name.partition(".")
        if dot and kind in _CLIENTS:
            clients[kind][option] = value
        elif name in _PLAIN:
            options[name] = _plain(name, value)
        else:
            known = ", ".join([*_PLAIN, *(f"{kind}.…" for kind in _CLIENTS)])
            raise ConfigurationError(
                f"{name!r} is not an option of Kafka; there are {known}: whiteout settings kafka"
            )
    if prefix:
        options["prefix"] = prefix
    return KafkaSettings(servers=servers, **options, **clients)


_PLAIN = ("prefix", *_NUMBERS, *TOPICS, "enrich_group", "load_group", "keep_incomplete")


def _given(
    table: Mapping[str, Any], environment: Mapping[str, str], assignments: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and name in _CLIENTS:
            yield from ((f"{name}.{option}", inner) for option, inner in _flat(value))
        else:
            yield name, value
    for name, value in sorted(environment.items()):
        if name.startswith(VARIABLES):
            yield _of_variable(name.removeprefix(VARIABLES).lower()), value
    for assignment in assignments:
        name, mark, value = assignment.partition("=")
        if not mark:
            raise ConfigurationError(f"--kafka-set must look like option=value, got {assignment!r}")
        yield name.strip(), value.strip()


def _of_variable(name: str) -> str:
    kind, _, option = name.partition("_")
    return f"{kind}.{option.replace('_', '.')}" if kind in _CLIENTS else name


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Options of librdkafka have dots in their names, which TOML reads as tables."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _plain(name: str, value: Any) -> str | int | bool:  # noqa: ANN401 - as it came
    if name in _NUMBERS:
        return _number(name, value)
    if name != "keep_incomplete":
        return str(value)
    if str(value).lower() not in ("true", "false"):
        raise ConfigurationError(f"{name} must be true or false, got {value!r}")
    return str(value).lower() == "true"


def _number(name: str, value: Any) -> int:  # noqa: ANN401 - as it came
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name} must be a whole number, got {value!r}") from error
