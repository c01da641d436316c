"""The weaknesses of the official pipeline that show in a whole one: a real `whiteout up`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.enrich.enrichments.support import configure
from tests.support.pipeline import Pipeline

from whiteout.cli.checks_of_environment import anonymity
from whiteout.collector.settings import CollectorSettings
from whiteout.enrich.settings import EnrichSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = "203.0.113.77"
ID = "de305d54-75b4-431b-adb2-eb6b9e546014"
# Runs at the start of every process, before anything of ours.
LISTENER = """
import os, sys

def hear(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        where = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[:2]
        with open(os.environ["HEARD"], "a") as file:
            file.write(f"{event} {where!r}\\n")

sys.addaudithook(hear)
"""


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which every process writes down whom it calls, into the file `HEARD`."""
    folder = tmp_path_factory.mktemp("listener")
    (folder / "sitecustomize.py").write_text(LISTENER)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "HEARD": str(folder / "heard")}


@pytest.fixture(scope="module")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory, surroundings: dict[str, str]
) -> Iterator[Pipeline]:
    """One that lets trackers' identifiers pass, with enrichments that others call somebody for."""
    folder = tmp_path_factory.mktemp("enrichments")
    _let_pass(folder)
    configure(folder, "com.snowplowanalytics.snowplow", "anon_ip", "1-0-1", {"anonOctets": 1})
    options = ("--set", "keep_tracker_identifiers=true", "--enrichments", str(folder))
    data = tmp_path_factory.mktemp("data")
    with Pipeline(data, *options, environment=surroundings) as running:
        yield running


def _let_pass(folder: Path) -> None:
    parameters = {"keepTrackerIdentifiers": True}
    configure(folder, "whiteout", "anonymity_config", "1-0-0", parameters)


def test_L15_what_an_operator_lets_pass_arrives_with_anonymous_events(pipeline: Pipeline) -> None:
    """Of the collector's own nothing does."""
    pipeline.send({"ip": ADDRESS, "tnuid": ID}, SP_Anonymous="*", Cookie=f"sp={ID[::-1]}")

    event = pipeline.get("/micro/good").json()[0]["event"]
    assert (event["user_ipaddress"], event["network_userid"]) == ("203.0.113.x", ID)


def test_W24_W25_nobody_is_called_whatever_comes(
    pipeline: Pipeline, surroundings: dict[str, str]
) -> None:
    """Neither for telemetry nor with identifiers; this machine's own sockets aside."""
    person = {"ip": "name.example", "uid": "somebody", "tnuid": ID, "url": "https://a.example/"}
    pipeline.send(person)
    pipeline.send(person, SP_Anonymous="*")
    pipeline.get("/micro/all")
    call = (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    )
    subprocess.run([sys.executable, "-c", call], env=surroundings, check=True)

    heard = Path(surroundings["HEARD"]).read_text("utf-8").splitlines()
    abroad = [line for line in heard if "127.0.0.1" not in line and "/" not in line]
    assert abroad == ["socket.connect ('192.0.2.1', 9)"]  # the test's own: it does hear


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_W19_micros_interface_gives_nothing_to_other_sites(
    pipeline: Pipeline, headers: dict[str, str]
) -> None:
    """Emptying is a GET there, and a page of any site could do it."""
    pipeline.send({})
    before = pipeline.get("/micro/all").json()

    for path in ("/micro/reset", "/micro/good"):
        assert pipeline.request("GET", path, headers=headers).status in (403, 421)

    assert before["total"] > 0
    assert pipeline.get("/micro/all").json() == before


@pytest.mark.parametrize(
    ("collector", "enrich", "state"),
    [(True, True, "ok"), (True, False, "note"), (False, True, "note"), (False, False, None)],
)
def test_L15_half_of_the_permission_is_noted(
    tmp_path: Path,
    collector: bool,  # noqa: FBT001 - parametrised
    enrich: bool,  # noqa: FBT001 - parametrised
    state: str | None,
) -> None:
    """Where only one of the stages lets them pass, the other drops them."""
    if enrich:
        _let_pass(tmp_path)

    settings = CollectorSettings(keep_tracker_identifiers=collector)
    found = list(anonymity(settings, tmp_path, EnrichSettings()))

    assert [one.state for one in found] == ([] if state is None else [state])
