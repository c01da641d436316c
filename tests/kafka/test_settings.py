"""Kafka's settings from address, file, environment and command line."""

from __future__ import annotations

import logging
import tomllib
from typing import Any

import pytest

from whiteout.errors import ConfigurationError
from whiteout.kafka.clients import WorthTelling, check_options
from whiteout.kafka.origin import Origin, read_origin
from whiteout.kafka.settings import KafkaSettings, kafka_settings

FILE = """
prefix = "file"
partitions = 16
keep_incomplete = true
enriched = "enriched-good"
[client]
security.protocol = "SASL_SSL"
"sasl.username" = "whiteout"
[consumer]
fetch.wait.max.ms = 20
"""


def made(address: str = "kafka://a:1", **more: Any) -> KafkaSettings:  # noqa: ANN401 - of several types
    given = {"table": {}, "environment": {}, "assignments": [], **more}
    return kafka_settings(address, given["table"], given["environment"], given["assignments"])


def test_later_ones_win() -> None:
    table = tomllib.loads(FILE)
    environment = {
        "WHITEOUT_KAFKA_PARTITIONS": "4",
        "WHITEOUT_KAFKA_REPLICATION": "3",
        "WHITEOUT_KAFKA_CLIENT_SASL_PASSWORD": "secret",
        "WHITEOUT_KAFKA": "no option, the broker of the tests",
    }
    assignments = ["replication=2", "consumer.session.timeout.ms=6000", "raw=collected"]

    settings = made(
        "kafka://a:1,b:2/x", table=table, environment=environment, assignments=assignments
    )

    assert settings == KafkaSettings(
        servers="a:1,b:2",
        prefix="x",
        partitions=4,
        replication=2,
        raw="collected",
        enriched="enriched-good",
        keep_incomplete=True,
        client={
            "security.protocol": "SASL_SSL",
            "sasl.username": "whiteout",
            "sasl.password": "secret",
        },
        consumer={"fetch.wait.max.ms": 20, "session.timeout.ms": "6000"},
    )


def test_topics_and_groups_have_the_prefix_unless_they_are_named() -> None:
    settings = made("kafka://a:1/shop", assignments=["failed=bad-1", "load_group=lake"])

    assert settings.topic("raw") == "shop-raw"
    assert settings.topic("failed") == "bad-1"
    assert (settings.enriching, settings.loading) == ("shop-enrich", "lake")


def test_passwords_are_not_shown() -> None:
    settings = made(assignments=["client.sasl.password=secret"])

    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("address", "assignments", "message"),
    [
        ("kafka://", [], "must look like kafka://HOST:PORT/PREFIX"),
        ("kafka://host", [], "must look like kafka://HOST:PORT/PREFIX"),
        ("host:9092", [], "must look like kafka://HOST:PORT/PREFIX"),
        ("kafka://a:1/a/b", [], "prefix must be letters"),
        ("kafka://a:1", ["partitions=0"], "partitions must be 1 to 10000"),
        ("kafka://a:1", ["partitions=many"], "partitions must be a whole number"),
        ("kafka://a:1", ["replication=0"], "replication must be -1 or at least 1"),
        ("kafka://a:1", ["keep_incomplete=1"], "keep_incomplete must be true or false"),
        ("kafka://a:1", ["raw=a b"], "raw must be letters"),
        ("kafka://a:1", ["servers=b:1"], "'servers' is not an option of Kafka"),
        ("kafka://a:1", ["client=x"], "'client' is not an option of Kafka"),
        ("kafka://a:1", ["nonsense"], "--kafka-set must look like option=value"),
        ("kafka://a:1", ["producer.acks=1"], r"producer\.acks cannot be set: every record is"),
        ("kafka://a:1", ["client.enable.idempotence=false"], "once and in order; leave it out"),
        ("kafka://a:1", ["consumer.group.id=x"], "enrich_group and load_group name the groups"),
        ("kafka://a:1", ["consumer.auto.offset.reset=latest"], "begins with the oldest record"),
        ("kafka://a:1", ["client.bootstrap.servers=b:1"], "the address says where Kafka is"),
        (
            "kafka://a:1",
            ["consumer.partition.assignment.strategy=cooperative-sticky"],
            r"strategy cannot be set: partitions are given all at once",
        ),
        ("kafka://a:1", ["consumer.group.protocol=consumer"], "partitions are given all at once"),
        ("kafka://a:1", ["producer.message.timeout.ms=9"], "no record is given up because of its"),
        ("kafka://a:1", ["client.delivery.timeout.ms=9"], "no record is given up because of its"),
    ],
)
def test_what_is_wrong_is_named(address: str, assignments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        made(address, assignments=assignments)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("client.nonsense=1", 'No such configuration property: "nonsense"'),
        ("producer.compression.type=foo", 'Invalid value "foo"'),
        ("producer.linger.ms=9999999", r"outside allowed range 0\.\.900000"),
        ("producer.batch.size=much", 'Invalid value for configuration property "batch.size"'),
        ("consumer.session.timeout.ms=0", r"outside allowed range 1\.\.3600000"),
        ("client.security.protocol=SASL_SSL", "No provider for SASL mechanism"),
    ],
)
def test_what_the_library_does_not_take_is_named_without_a_broker(
    assignment: str, message: str
) -> None:
    """Before anything starts; not by a stage that begins again and again."""
    with pytest.raises(ConfigurationError, match=message):
        check_options(made(assignments=[assignment]))


def test_the_library_takes_the_defaults_and_compression() -> None:
    for kind in ("none", "gzip", "snappy", "lz4", "zstd"):
        check_options(made(assignments=[f"producer.compression.type={kind}"]))


def test_an_origin_survives_its_header_and_ranks_in_order() -> None:
    places = [Origin("c/raw/id x/3", offset, number) for offset in (0, 7) for number in (0, 2)]

    assert [read_origin(one.header()) for one in places] == places
    assert sorted(places, key=lambda one: one.rank) == places
    assert len({one.rank for one in places}) == 4


@pytest.mark.parametrize("header", [None, b"", b"1", b"1 2", b"a b c", b"-1 0 x", b"\xff 1 x"])
def test_a_header_of_somebody_else_is_no_origin(header: bytes | None) -> None:
    assert read_origin(header) is None


def test_the_library_says_the_same_thing_once_a_minute() -> None:
    """It tries some three times a second to reach a broker that is away."""
    told = WorthTelling(monotonic_s=lambda: now)
    down = "FAIL [whiteout#producer-%d] [thrd:a:9092]: a:9092: Connection refused (after %dms)"
    found = []
    for now in (0.0, 0.3, 59.0, 60.0, 61.0):
        for text in (down % (6, now), down.replace("a:", "b:") % (7, now), "CONFWARN nothing"):
            record = logging.makeLogRecord({"msg": text})
            if told.filter(record):
                found.append((now, text.partition("thrd:")[2][:1]))

    assert found == [(0.0, "a"), (0.0, "b"), (60.0, "a"), (60.0, "b")]
