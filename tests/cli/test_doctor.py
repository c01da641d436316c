"""`whiteout doctor`: each fault is found, and comes with its cure."""

from __future__ import annotations

import importlib.metadata
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.cli import checks, run
from whiteout.testing import Micro

if TYPE_CHECKING:
    from pathlib import Path

ALONE = ("--no-iglu-central", "--port", "0")


def findings(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    status = run(["doctor", *arguments, "--format", "json"])
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return status, {line["check"]: line for line in lines}


def test_a_sound_installation_has_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = findings(capsys, "--data", str(tmp_path / "data"), *ALONE)

    assert status == 0
    assert {"python", "package duckdb", "data folder", "disk space", "lake"} <= found.keys()
    assert all(finding["cure"] == "" for finding in found.values() if finding["state"] == "ok")
    assert not (tmp_path / "data").exists(), "a look makes nothing"


def test_the_table_is_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--data", str(tmp_path / "data"), *ALONE]) == 0
    assert capsys.readouterr().out.split()[:4] == ["state", "check", "found", "cure"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_a_data_folder_that_others_may_read_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o755)

    status, found = findings(capsys, "--data", str(tmp_path), *ALONE)

    assert status == 1
    assert found["data folder"]["cure"] == f"chmod 700 {tmp_path}"


def test_a_data_folder_that_is_a_file_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    status, found = findings(capsys, "--data", str(tmp_path / "file"), *ALONE)

    assert (status, found["data folder"]["state"]) == (1, "broken")


def test_a_port_of_another_program_is_a_fault_and_one_of_a_collector_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--data", str(tmp_path / "data"), "--no-iglu-central", "--port")
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        other.close()
        with Micro(port=number) as micro:
            status, found = findings(capsys, *common, str(micro.port))
            assert (status, found[f"port {number}"]["state"]) == (0, "ok")
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        number = silent.getsockname()[1]
        status, found = findings(capsys, *common, str(number))
    assert status == 1
    assert "--port 0" in found[f"port {number}"]["cure"]


def test_registries_that_are_needed_must_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good/schemas").mkdir(parents=True)
    places = (str(tmp_path / "good"), str(tmp_path), "http://127.0.0.1:9")
    options = [text for place in places for text in ("--iglu", place)]

    status, found = findings(capsys, "--data", str(tmp_path / "data"), *ALONE, *options)

    assert status == 1
    assert [found[f"registry {place}"]["state"] for place in places] == ["ok", "broken", "broken"]


def test_a_collector_is_asked_for_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--data", str(tmp_path / "data"), *ALONE, "--collector")
    with Micro() as micro:
        status, found = findings(capsys, *common, micro.endpoint)
        assert (status, found["collector"]["state"], found["time"]["state"]) == (0, "ok", "ok")
        endpoint = micro.endpoint
        (late,) = list(checks.clock(endpoint, now_s=lambda: 0.0))[1:]
        assert (late.state, "behind the collector" in late.found) == ("broken", True)

    status, found = findings(capsys, *common, endpoint)
    assert (status, found["collector"]["state"]) == (1, "broken")


@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [
        (0.9, "ok", "as the"),
        (-4.9, "ok", "as the"),
        (7, "note", "7 s ahead"),
        (-61, "broken", "61"),
    ],
)
def test_clocks_that_are_apart_are_told_by_how_much(seconds: float, state: str, words: str) -> None:
    finding = checks.skew(seconds)

    assert finding.state == state
    assert words in finding.found
    assert bool(finding.cure) is (state != "ok")


def test_a_package_that_is_missing_is_a_fault_only_where_it_is_needed() -> None:
    def version_of(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    states = {finding.check: finding.state for finding in checks.packages(version_of)}

    assert states["package duckdb"] == "broken"
    assert states["package uvloop"] == "note"


def test_a_collector_without_a_scheme_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--collector", "example.com"]) == 2
    assert "--collector must look like" in capsys.readouterr().err
