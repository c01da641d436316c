"""compose.yaml, read as Docker reads it, against the real commands and their settings.

Docker itself takes no part: what is shown is that every option, variable, topic and address in it
is one that exists and fits, and that its commands, run as processes here, load the lake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
import yaml
from tests.kafka.support import running, wait_for
from tests.kafka.test_topology import post
from tests.support.broker import QUICK, Broker
from tests.support.pages import REPOSITORY

from whiteout.cli import application
from whiteout.kafka.settings import VARIABLES, kafka_settings
from whiteout.lake.place import lake_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout.kafka.settings import KafkaSettings

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == COMPOSE["name"]}


def stage(service: str) -> str:
    return str(OURS[service]["command"][0])


def parse(command: list[str]) -> dict[str, Any]:
    """The options that the real command line reads; fails as that does."""
    commands = cast("typer.core.TyperGroup", typer.main.get_command(application())).commands
    return commands[command[0]].make_context(command[0], list(command[1:])).params


def address(service: str) -> str:
    parameters = parse(OURS[service]["command"])
    return str(parameters["to" if stage(service) == "collector" else "from_"])


def kafka_of(service: str) -> KafkaSettings:
    return kafka_settings(address(service), {}, OURS[service]["environment"], [])


def replicas(service: str) -> int:
    return int(OURS[service].get("deploy", {}).get("replicas", 1))


def test_there_are_two_collectors_four_enrich_workers_and_a_loader() -> None:
    stages = [stage(service) for service in OURS for _ in range(replicas(service))]

    assert sorted(stages) == ["collector"] * 2 + ["enrich"] * 4 + ["loader"]


@pytest.mark.parametrize("service", OURS)
def test_each_command_is_one_that_the_command_line_takes(service: str) -> None:
    assert address(service).startswith("kafka://")
    assert parse(OURS[service]["command"])


def test_a_command_that_does_not_exist_would_be_found() -> None:
    """The check above can fail."""
    with pytest.raises(Exception, match="No such option: --enrichers"):
        parse([*OURS["loader"]["command"], "--enrichers", "4"])


@pytest.mark.parametrize("service", OURS)
def test_each_variable_is_one_that_its_stage_reads(service: str) -> None:
    known = ("WHITEOUT_LAKE", VARIABLES, "AWS_")
    environment = OURS[service]["environment"]

    assert [name for name in environment if not name.startswith(known)] == []
    assert {type(value) for value in environment.values()} == {str}  # YAML's true is "True"
    assert kafka_of(service).replication == 1  # there is one broker
    if stage(service) != "loader":
        assert not {name for name in environment if not name.startswith(VARIABLES)}


def test_all_stages_meet_at_the_broker_that_there_is_and_in_the_same_topics() -> None:
    settings = {service: kafka_of(service) for service in OURS}
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]

    assert {one.servers for one in settings.values()} == {advertised.removeprefix("PLAINTEXT://")}
    assert len({tuple(map(one.topic, one.topics)) for one in settings.values()}) == 1
    assert settings["enrich"].partitions >= replicas("enrich")


def test_the_lake_is_in_the_bucket_that_is_made_with_the_password_of_the_store() -> None:
    environment = OURS["loader"]["environment"]
    store = SERVICES["minio"]["environment"]
    place = lake_place(environment["WHITEOUT_LAKE"], environment)
    bucket = place.url.removeprefix("s3://").partition("/")[0]

    assert place.options["AWS_ENDPOINT_URL"] == "http://minio:9000"
    assert place.options["AWS_ALLOW_HTTP"] == "true"
    assert place.options["AWS_ACCESS_KEY_ID"] == store["MINIO_ROOT_USER"]
    assert place.options["AWS_SECRET_ACCESS_KEY"] == store["MINIO_ROOT_PASSWORD"]
    assert SERVICES["bucket"]["environment"] == store
    assert f"mc mb --ignore-existing store/{bucket}\n" in SERVICES["bucket"]["entrypoint"][-1]


def test_collectors_have_a_port_each_and_nothing_is_published_beyond_this_machine() -> None:
    published = [one for service in SERVICES.values() for one in service.get("ports", [])]
    ports = [one.split(":") for one in published]

    assert [host for host, _, _ in ports] == ["127.0.0.1"] * 2
    assert len({outer for _, outer, _ in ports}) == 2
    for service in ("collector-1", "collector-2"):
        parameters = parse(OURS[service]["command"])
        (inner,) = {one.rpartition(":")[2] for one in OURS[service]["ports"]}
        assert parameters["host"] == "0.0.0.0"  # noqa: S104 - of the container
        assert str(parameters["port"]) == inner


def test_what_a_service_waits_for_and_keeps_is_there() -> None:
    for service in SERVICES.values():
        for other, condition in service.get("depends_on", {}).items():
            healthy = condition["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in SERVICES[other])
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
    assert SERVICES["loader"]["volumes"] == ["loader:/data"]  # WHITEOUT_DATA of the image


@pytest.fixture
def broker() -> Iterator[Broker]:
    started = Broker()
    yield started
    started.close()


def test_the_commands_as_they_stand_there_load_the_lake(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only addresses and the lake's place are others; the broker is real."""
    for name, value in OURS["loader"]["environment"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WHITEOUT_DATA", str(tmp_path))
    monkeypatch.setenv("WHITEOUT_LAKE", str(tmp_path / "lake"))
    (endpoint,) = {kafka_of(service).servers for service in OURS}
    quick = [f"consumer.{name}={value}" for name, value in QUICK.items()]

    def local(service: str) -> list[str]:
        command = [text.replace(endpoint, broker.address) for text in OURS[service]["command"]]
        command = [text.replace("0.0.0.0", "127.0.0.1") for text in command]  # noqa: S104 - not here
        more = ["--port", "0"] if stage(service) == "collector" else ["--no-iglu-central"]
        return [*command, *more, *(text for one in quick for text in ("--kafka-set", one))]

    commands = [local(service) for service in OURS]
    with running(*commands) as processes:
        ports = []
        for command, process in zip(commands, processes, strict=True):
            if command[0] == "collector":
                assert process.stdout is not None
                ports.append(int(process.stdout.readline().rsplit(":", 1)[1]))
        good = {post(port) for port in ports for _ in range(5)}
        failed = {post(port, p="nonsense") for port in ports}
        wait_for(tmp_path, good)
        wait_for(tmp_path, failed, "failed_events")
