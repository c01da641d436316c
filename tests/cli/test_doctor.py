"""`whiteout doctor`: each fault is found, and comes with its cure."""

from __future__ import annotations

import contextlib
import http.server
import importlib.metadata
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.cli import checks, checks_of_data, checks_of_environment, run
from whiteout.collector.settings import CollectorSettings, Limits
from whiteout.kafka.settings import KafkaSettings
from whiteout.log import open_log
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


class Failing(http.server.BaseHTTPRequestHandler):
    """A registry that has no schema for anybody, on a machine whose clock is behind."""

    def do_GET(self) -> None:
        self.send_error(503)

    def date_time_string(self, timestamp: float | None = None) -> str:
        assert timestamp is None
        return "Mon, 03 Feb 2025 10:00:00 GMT"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_registry_that_gives_no_schema_is_a_fault_and_its_time_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever).start()
        place = f"http://127.0.0.1:{server.server_port}"
        common = ("--data", str(tmp_path / "data"), *ALONE)
        status, found = findings(capsys, *common, "--iglu", place)
        server.shutdown()

    assert status == 1
    assert found[f"registry {place}"]["state"] == "broken"
    assert "503" in found[f"registry {place}"]["found"]
    assert f"ahead of registry {place}" in found["time"]["found"]


def test_a_collector_is_asked_for_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--data", str(tmp_path / "data"), *ALONE, "--collector")
    with Micro() as micro:
        status, found = findings(capsys, *common, micro.endpoint)
        assert (status, found["collector"]["state"], found["time"]["state"]) == (0, "ok", "ok")
        endpoint = micro.endpoint
        asked = {"nobody": "http://127.0.0.1:9", "the collector": f"{endpoint}/health"}
        (late,) = checks.clock(asked, now_s=lambda: 1_740_000_000.0)
        assert (late.state, "behind the collector" in late.found) == ("broken", True)

    status, found = findings(capsys, *common, endpoint)
    assert (status, found["collector"]["state"]) == (1, "broken")


@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [
        (0.9, "ok", "as that of the collector"),
        (-4.9, "ok", "as that of"),
        (7, "note", "7 s ahead"),
        (-61, "broken", "61"),
    ],
)
def test_clocks_that_are_apart_are_told_by_how_much(seconds: float, state: str, words: str) -> None:
    finding = checks.skew(seconds, "the collector")

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


def test_a_clock_that_was_never_set_is_a_fault_and_one_that_cannot_be_compared_a_note() -> None:
    (early,) = checks.clock({}, now_s=lambda: 0.0)
    (alone,) = checks.clock({"nobody": "http://127.0.0.1:9"})

    assert (early.state, alone.state) == ("broken", "note")
    assert "NTP" in early.cure
    assert "--collector" in alone.cure


def test_a_collector_that_stops_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        finding = checks.collector(url)
        thread.join(10)

    assert finding.state == "broken"
    assert "503" in finding.found


# --- environment -----------------------------------------------------------------------------


def test_a_misspelt_variable_is_noted_with_the_right_name_and_without_its_value() -> None:
    environment = {"WHITEOUT_DTA": "secret", "WHITEOUT_LAKE": "/lake", "HOME": "/"}

    (finding,) = checks_of_environment.variables(environment)

    assert (finding.check, finding.state) == ("variable WHITEOUT_DTA", "note")
    assert "WHITEOUT_DATA" in finding.cure
    assert "secret" not in repr(finding)


def test_known_variables_are_counted() -> None:
    environment = {"WHITEOUT_DATA": "/", "WHITEOUT_COLLECTOR_COOKIE_NAME": "x"}

    (finding,) = checks_of_environment.variables(environment)

    assert (finding.state, finding.found) == ("ok", "2 variables of WHITEOUT_…")


def test_a_token_that_is_too_short_is_a_fault_and_not_shown() -> None:
    (finding,) = checks_of_environment.token({"WHITEOUT_PAGE_TOKEN": "short!"})

    assert finding.state == "broken"
    assert "short!" not in repr(finding)
    assert "secrets.token_urlsafe" in finding.cure


def test_wrong_settings_are_a_fault_that_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--set", "limits.connections=0")

    status, found = findings(capsys, "--data", str(tmp_path / "data"), *ALONE, *given)

    assert (status, found["settings"]["state"]) == (1, "broken")
    assert "connections must be more than 0, got 0" in found["settings"]["found"]


def test_a_certificate_that_cannot_be_read_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--set", f"tls.certificate={tmp_path}/no.pem")

    status, found = findings(capsys, "--data", str(tmp_path / "data"), *ALONE, *given)

    assert (status, found["certificate"]["state"]) == (1, "broken")


@pytest.mark.parametrize(("most", "state"), [(1024, "note"), (2000, "ok")])
def test_fewer_open_files_than_connections_are_noted(most: int, state: str) -> None:
    (finding,) = checks_of_environment.open_files(CollectorSettings(), most)

    assert finding.state == state
    assert ("ulimit -n 1152" in finding.cure) is (state == "note")


# --- where events are kept -------------------------------------------------------------------


@pytest.mark.parametrize(("free", "state"), [(99, "broken"), (100, "note"), (2_000_000_000, "ok")])
def test_a_disk_on_which_events_are_refused_is_a_fault(
    tmp_path: Path, free: int, state: str
) -> None:
    (finding,) = checks_of_data.disk_space(tmp_path, Limits(free_bytes=100), free)

    assert finding.state == state


@pytest.mark.parametrize(
    ("log_bytes", "state"), [(1_000_000, "ok"), (6_000, "note"), (2_000, "broken")]
)
def test_a_log_that_nobody_loads_is_a_fault_once_it_is_full(
    tmp_path: Path, log_bytes: int, state: str
) -> None:
    with contextlib.closing(open_log(tmp_path / "log" / "raw", writer=True)) as log:
        log.append([b"x" * 500] * 10)
        log.commit("lake", 3)

    (finding,) = checks_of_data.log(tmp_path, Limits(log_bytes=log_bytes))

    assert finding.state == state
    assert finding.found.startswith("7 records wait")


def test_a_lake_that_is_no_lake_is_a_fault_with_a_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--data", str(tmp_path / "data"), *ALONE, "--lake")

    status, found = findings(capsys, *common, "ftp://lake")
    assert (status, found["lake"]["state"]) == (1, "broken")
    assert "s3://" in found["lake"]["found"]

    (tmp_path / "lake/events/_delta_log").mkdir(parents=True)
    (tmp_path / "lake/events/_delta_log/00000000000000000000.json").write_text("nonsense")
    status, found = findings(capsys, *common, str(tmp_path / "lake"))
    assert (status, found["lake"]["state"]) == (1, "broken")
    assert found["lake"]["cure"]


@pytest.mark.parametrize("option", ["nonsense=1", "producer.acks=1", "client.nonsense=1"])
def test_an_option_of_kafka_that_cannot_be_is_a_fault_among_others(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--kafka", "127.0.0.1:9", "--kafka-set", option)

    status, found = findings(capsys, "--data", str(tmp_path / "data"), *ALONE, *where)

    assert status == 1
    assert found["kafka"]["state"] == "broken"
    assert option.partition("=")[0].rpartition(".")[2] in found["kafka"]["found"]
    assert found["disk space"]["state"] == "ok"


def test_brokers_that_do_not_answer_are_a_fault() -> None:
    (finding,) = checks_of_data.kafka(KafkaSettings(servers="127.0.0.1:9"), patience_s=0.3)

    assert finding.state == "broken"
    assert "127.0.0.1:9" in finding.found
    assert "KafkaError{" not in finding.found


# --- registries ------------------------------------------------------------------------------


def test_a_schema_that_is_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "schemas/com.acme/thing/jsonschema/1-0-0"
    file.parent.mkdir(parents=True)
    file.write_text("{")

    finding = list(checks.registries([str(tmp_path)], iglu_central=None))[1]

    assert finding.state == "broken"
    assert finding.found.startswith("schemas/com.acme/thing/jsonschema/1-0-0 ")


def test_each_registry_of_a_resolver_is_asked(tmp_path: Path) -> None:
    repository = {
        "name": "Ours",
        "priority": 1,
        "vendorPrefixes": [],
        "connection": {"http": {"uri": "http://127.0.0.1:9"}},
    }
    data = {"cacheSize": 10, "repositories": [repository]}
    schema = "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1"
    file = tmp_path / "resolver.json"
    file.write_text(json.dumps({"schema": schema, "data": data}))

    asked = list(checks.registries([], iglu_central=None, resolver=file))[1:]
    (wrong,) = list(checks.registries([], iglu_central=None, resolver=tmp_path / "none"))[1:]

    assert [(one.check, one.state) for one in asked] == [("registry Ours", "broken")]
    assert (wrong.check, wrong.state) == ("resolver", "broken")
