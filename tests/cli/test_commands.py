"""The real command in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from whiteout.cli import run
from whiteout.lake.reader import Lake
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
DEADLINE_S = 30.0
PYTHON = [sys.executable, "-P", "-m", "whiteout.cli"]


def whiteout(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
    return subprocess.run(
        [*PYTHON, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        **options,
    )


def query(data: Path, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Lake(data / "lake").query(sql).to_pylist()
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)  # the processor is for what is waited for


class Up:
    """A running `whiteout up`."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [*PYTHON, "up", "--data", str(data), "--port", "0", "--no-iglu-central", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline().rstrip() for _ in range(3)]
        self.port = int(self.lines[0].rsplit(":", 1)[1])

    def post(self, *events: dict[str, str]) -> list[str]:
        """Send events in one request; returns their ids."""
        base = {"e": "pv", "p": "pc", "tv": "test-1", "aid": "shop"}
        full = [{**base, "eid": str(uuid.uuid4()), **event} for event in events]
        body = json.dumps({"schema": PAYLOAD_DATA, "data": full})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request("POST", TP2, body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
        return [event["eid"] for event in full]

    def child(self) -> int:
        """The process id of the process that enriches."""
        found: list[int] = []

        def there() -> bool:
            found[:] = [child.pid for child in psutil.Process(self.process.pid).children()]
            return len(found) == 1

        wait_until(there)
        return found[0]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to stop; returns its exit status and what it said on standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, errors


@contextmanager
def up(data: Path, *options: str) -> Iterator[Up]:
    running = Up(data, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two events and a failed one."""
    data: Path = tmp_path_factory.mktemp("data")
    with up(data) as running:
        running.post({"eid": "00000000-0000-4000-8000-000000000001", "page": "Grüße \x1b[31m"})
        running.post({"eid": "00000000-0000-4000-8000-000000000002", "e": "nonsense"})
        running.post({"eid": "00000000-0000-4000-8000-000000000003", "url": "http://x/"})
        assert running.stop() == (0, "")
    return data


def test_up_says_where_everything_is_and_loads_what_it_accepted(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        sent = [running.post({"aid": "a"}, {"aid": "b"}) for _ in range(20)]
        stopped = running.stop()

    assert stopped == (0, "")
    assert running.lines == [
        f"collector listening on http://127.0.0.1:{running.port}",
        f"lake in {tmp_path / 'lake'}",
        f"log in {tmp_path / 'log'}",
    ]
    found = [row["event_id"] for row in query(tmp_path, "SELECT event_id FROM events")]
    assert sorted(found) == sorted(event_id for ids in sent for event_id in ids)


@pytest.mark.skipif(os.name == "nt", reason="there is no Ctrl-C for one process")
def test_ctrl_c_in_the_terminal_loads_the_rest_and_is_no_error(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        running.post({}, {}, {})
        stopped = running.stop(signal.SIGINT)

    assert stopped == (0, "")
    assert query(tmp_path, "SELECT count(*) AS n FROM events") == [{"n": 3}]


def test_events_can_be_read_while_the_pipeline_runs(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        (event_id,) = running.post({})

        wait_until(lambda: query(tmp_path, "SELECT event_id FROM events") != [])

        assert event_id in whiteout("events", "--data", str(tmp_path)).stdout
        running.stop()


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_the_child_is_started_again_when_it_dies(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        first = running.child()
        os.kill(first, signal.SIGKILL)
        running.post({})
        wait_until(lambda: running.child() != first)
        running.post({})
        status, errors = running.stop()

    assert status == 0
    assert errors == "whiteout: the enrich process ended with status -9, starting again\n"
    assert query(tmp_path, "SELECT count(*) AS n FROM events") == [{"n": 2}]


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_the_child_ends_after_its_work_when_the_parent_is_killed(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        child = running.child()
        running.post({}, {})
        running.process.kill()
        running.process.communicate()

        wait_until(lambda: not psutil.pid_exists(child))

    assert query(tmp_path, "SELECT count(*) AS n FROM events") == [{"n": 2}]


def test_schemas_of_a_folder_are_used(tmp_path: Path) -> None:
    schema = {
        "self": {
            "vendor": "com.acme",
            "name": "tea",
            "format": "jsonschema",
            "version": "1-0-0",
        },
        "type": "object",
        "properties": {"cupsDrunk": {"type": "integer"}},
    }
    path = tmp_path / "registry/schemas/com.acme/tea/jsonschema/1-0-0"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(schema))
    data = {"schema": "iglu:com.acme/tea/jsonschema/1-0-0", "data": {"cupsDrunk": 3}}
    event = json.dumps({"schema": UNSTRUCT, "data": data})

    with up(tmp_path / "data", "--iglu", str(tmp_path / "registry")) as running:
        running.post({"e": "ue", "ue_pr": event})
        assert running.stop() == (0, "")

    sql = "SELECT unstruct_event_com_acme_tea_1.cups_drunk AS cups FROM events"
    assert query(tmp_path / "data", sql) == [{"cups": 3}]


def first_line_of_enrich(source: str, target: str) -> str:
    """What enrich says at its start; it is asked to end, and has loaded what was there."""
    enrich = subprocess.Popen(
        [*PYTHON, "enrich", "--from", source, "--to", target, "--no-iglu-central"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert enrich.stdout is not None
    line = enrich.stdout.readline()
    enrich.send_signal(signal.SIGTERM)
    enrich.communicate(timeout=DEADLINE_S)
    assert enrich.returncode == 0
    return line


def test_the_two_stages_can_run_on_their_own(tmp_path: Path) -> None:
    spool = f"spool://{tmp_path / 'in'}"
    collector = subprocess.Popen(
        [*PYTHON, "collector", "--to", spool, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert collector.stdout is not None
    running = Up.__new__(Up)
    running.port = int(collector.stdout.readline().rsplit(":", 1)[1])
    running.post({}, {})
    collector.send_signal(signal.SIGTERM)
    collector.communicate(timeout=DEADLINE_S)
    target = f"spool://{tmp_path / 'out'}"
    line = first_line_of_enrich(spool, target)

    assert collector.returncode == 0
    assert line == f"loading {tmp_path / 'in/log'} into {tmp_path / 'out/lake'}\n"
    assert query(tmp_path / "out", "SELECT count(*) AS n FROM events") == [{"n": 2}]


def test_enrich_says_that_it_waits_for_a_collector_and_how_to_start_one(tmp_path: Path) -> None:
    spool = f"spool://{tmp_path / 'in'}"
    line = first_line_of_enrich(spool, str(tmp_path / "out"))

    assert line.endswith(f", once a collector writes there: whiteout collector --to {spool}\n")


def test_events_are_shown_as_a_table_the_newest_at_the_end(lake: Path) -> None:
    done = whiteout("events", "--data", str(lake))

    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["collector_tstamp", "app_id", "platform", "event_name", "event_id"]
    assert [row[1:] for row in rows[1:]] == [
        ["shop", "pc", "page_view", "00000000-0000-4000-8000-000000000001"],
        ["shop", "pc", "page_view", "00000000-0000-4000-8000-000000000003"],
    ]


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints that ends with status 0; in this process, which is faster."""
    assert run(arguments) == 0
    return capsys.readouterr().out


def test_events_as_json_lines_and_as_enriched_lines(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = ["events", "--data", str(lake), "--limit", "1", "--format"]
    as_json, as_tsv = output(capsys, *last, "json"), output(capsys, *last, "tsv")

    event = json.loads(as_json)
    assert (event["event_id"], event["page_urlhost"]) == (
        "00000000-0000-4000-8000-000000000003",
        "x",
    )
    fields = as_tsv.removesuffix("\n").split("\t")
    assert (len(fields), fields[6]) == (131, event["event_id"])


def test_failed_events_as_bad_rows(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = ["events", "--failed", "--data", str(lake), "--format"]

    (line,) = output(capsys, *failed, "json").splitlines()

    assert json.loads(line)["schema"].startswith("iglu:com.snowplowanalytics.snowplow.badrows/")
    for format_ in ("table", "tsv"):
        assert "00000000-0000-4000-8000-000000000002" in output(capsys, *failed, format_)


def test_following_shows_what_is_loaded_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        follow = subprocess.Popen(
            [*PYTHON, "events", "--data", str(tmp_path), "--follow", "--format", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert follow.stdout is not None
        for _ in range(3):
            (event_id,) = running.post({})
            assert json.loads(follow.stdout.readline())["event_id"] == event_id
        follow.send_signal(signal.SIGINT)
        _, errors = follow.communicate(timeout=DEADLINE_S)
        running.stop()

    assert (follow.returncode, errors) == (0, "")


def test_a_query_ends_with_ctrl_c(lake: Path) -> None:
    """Seen on a terminal, where a clock goes on while the query does."""
    ours, theirs = pty.openpty()
    sql = "SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(1000000) b"
    process = subprocess.Popen(
        [*PYTHON, "query", "--data", str(lake), sql],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    try:
        said = b""
        while b"0:00:01" not in said:
            said += os.read(ours, 1_000)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S / 3) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("csv", 'n,t,l\n2,shop,"[1,null]"\n'),
        ("json", '{"n":2,"t":"shop","l":[1,null]}\n'),
        ("table", "n  t     l       \n2  shop  [1,null]\n"),
    ],
)
def test_sql_in_every_format(
    lake: Path, format_: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT count(*) AS n, min(app_id) AS t, [1, NULL] AS l FROM events"

    found = output(capsys, "query", sql, "--data", str(lake), "--format", format_)

    assert _without_padding(found) == _without_padding(expected)


def _without_padding(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("format_", ["table", "json", "csv"])
def test_what_strangers_sent_cannot_steer_the_terminal(
    lake: Path, format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT 'a' || chr(27) || '[31m' || chr(155) || chr(8238) AS x"

    found = output(capsys, "query", sql, "--data", str(lake), "--format", format_)

    assert not set(found) & {"\x1b", "\x9b", "\u202e"}
    if format_ == "json":
        assert json.loads(found) == {"x": "a\x1b[31m\x9b\u202e"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "no such command"),
        (["collector", "--to", "/x"], "--to must look like spool:///var/lib/whiteout"),
        (["enrich", "--from", "/x", "--to", "."], "--from must look like spool://"),
        (["enrich", "--from", "spool:///x", "--to", "kafka://a:1"], "--to must be a folder"),
        (["enrich", "--from", "kafka://a:1", "--to", "."], "whiteout loader --from kafka://a:1"),
        (
            ["enrich", "--from", "spool://.", "--to", "s3://me:secret@b/x"],
            "DIR or spool://DIR, got 's3://b'; a lake that is elsewhere is named with --lake",
        ),
        (["enrich", "--from", "spool://."], "--to must be the data folder"),
        (["enrich", "--from", "spool://.", "--to", ""], "--to must be the data folder"),
        (["enrich", "--from", "spool://.", "--to", "spool://"], "--to must look like spool:///"),
        (
            ["enrich", "--from", "spool://.", "--to", "kafka://a:1/x"],
            "whiteout collector --to kafka://a:1/x, and whiteout enrich --from kafka://a:1/x",
        ),
        *(
            (
                ["enrich", "--from", "kafka://a:1", *given],
                f"{given[0]} does nothing here; it belongs to whiteout {command} --from kafka://a",
            )
            for command, given in [
                ("loader", ["--retention", "events=1d"]),
                ("loader", ["--lake", "/x"]),
                ("loader", ["--commit-interval", "1"]),
                ("loader", ["--durability", "disk"]),
                ("page", ["--least-group", "5"]),
            ]
        ),
        (["loader", "--from", "kafka://a:1", "--to", "spool://x"], "must be a folder, or a URL"),
        (["loader", "--from", "kafka://x"], "must look like kafka://HOST:PORT/PREFIX"),
        (["collector", "--to", "kafka://a:1", "--kafka-set", "a=b"], "'a' is not an option"),
        (["up", "--iglu", "/no/such/folder"], "--iglu must be a folder that exists or an http"),
        (["up", "--port", "99999"], "--port"),
        (["up", "--host", "300.1.1.1"], "--host must be an address of this machine"),
        (["up", "--lake", "ftp://me:secret@host/x"], "--lake must be a folder, or a URL"),
        (["up", "--lake", "ftp://me:secret@host/x"], "got 'ftp://host'"),
        (["up", "--lake", "s3://me:secret@bucket/x"], "got one for 's3://bucket'"),
        (["up", "--enrichments", "/no/such"], "--enrichments must be a folder that exists"),
        (["up", "--pii-events", "/x"], "--pii-events needs --enrichments"),
        (["up", "--kafka", "broker"], "--kafka must look like HOST:PORT, got 'broker'"),
        (["up", "--set", "lake.seen_days=0"], "[lake]: seen_days must be at least 1, got 0"),
        (["up", "--config", "/no/such"], "--config must be a TOML file, got /no/such"),
        (["erase", "--user-id", "x", "--data", "/no/such", "--yes"], "neither a lake in"),
        (["up", "--durability", "some"], "--durability"),
        (["query", "DELETE FROM events"], "write one SELECT"),
        (["query", "SELECT nothing FROM events"], "nothing"),
        (["events", "--format", "xml"], "--format"),
    ],
)
def test_wrong_use_says_what_to_write_instead(
    tmp_path: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whether this process or one of its own finds it."""
    monkeypatch.setenv("WHITEOUT_DATA", str(tmp_path))

    assert run(arguments) == 2
    assert message in capfd.readouterr().err


def test_a_port_that_is_taken_is_wrong_use(tmp_path: Path) -> None:
    with up(tmp_path / "one") as running:
        done = whiteout("up", "--data", str(tmp_path / "two"), "--port", str(running.port))
        running.stop()

    assert done.returncode == 2
    assert "choose another --port" in done.stderr


def test_a_second_pipeline_on_the_same_folder_says_so(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        done = whiteout("up", "--data", str(tmp_path), "--port", "0")
        running.stop()

    assert done.returncode == 1
    assert done.stderr.startswith("whiteout: ")
    assert "Traceback" not in done.stderr


def test_an_empty_lake_is_no_error(tmp_path: Path) -> None:
    done = whiteout("events", "--data", str(tmp_path))

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"whiteout: no events yet in {tmp_path / 'lake'}\n"


def test_the_data_folder_comes_from_the_environment(
    lake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHITEOUT_DATA", str(lake))

    assert "00000000-0000-4000-8000-000000000003" in output(capsys, "events", "-n", "1")


def test_a_reader_that_leaves_early_is_no_error(lake: Path) -> None:
    process = subprocess.Popen(
        [*PYTHON, "query", "SELECT * FROM range(300000)", "--data", str(lake), "--format", "csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"range\n"
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()

    assert (process.wait(DEADLINE_S), errors) == (0, b"")


def test_version() -> None:
    assert whiteout("--version").stdout == f"whiteout {__version__}\n"


def test_the_collector_loads_nothing_of_the_lake() -> None:
    """The process that everybody's requests reach stays small."""
    code = (
        "import sys, whiteout.cli as c; c.application();"
        "import whiteout.collector.process;"
        "print(sorted({m.split('.')[0] for m in sys.modules}"
        " & {'deltalake', 'pyarrow', 'duckdb', 'rich', 'ua_parser', 'jsonschema_rs'}))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


# --- enrichments -----------------------------------------------------------------------------


def enrichment(name: str, parameters: dict[str, Any]) -> str:
    vendor = "com.snowplowanalytics.snowplow"
    data = {"vendor": vendor, "name": name, "enabled": True, "parameters": parameters}
    return json.dumps({"schema": f"iglu:{vendor}/{name}/jsonschema/1-0-1", "data": data})


def test_a_folder_of_enrichments_and_a_resolver_are_used(tmp_path: Path) -> None:
    folder = tmp_path / "enrichments"
    folder.mkdir()
    (folder / "anon_ip.json").write_text(enrichment("anon_ip", {"anonOctets": 3}))
    resolver = tmp_path / "iglu_resolver.json"
    schema = "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1"
    resolver.write_text(
        json.dumps({"schema": schema, "data": {"cacheSize": 5, "repositories": []}})
    )
    data = tmp_path / "data"
    with up(data, "--enrichments", str(folder), "--resolver", str(resolver)) as running:
        running.post({"ip": "198.51.100.7"})
        assert running.stop() == (0, "")

    (row,) = query(data, "SELECT user_ipaddress FROM events")
    assert row == {"user_ipaddress": "198.x.x.x"}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("anon_ip.json", enrichment("anon_ip", {}), "anonOctets"),
        ("my.js", "", "JavaScript is not run; write it as a Python enrichment"),
    ],
)
def test_an_enrichment_that_cannot_be_used_stops_it_before_it_listens(
    name: str, content: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)

    done = whiteout("up", "--data", str(tmp_path / "d"), "--enrichments", str(tmp_path))

    assert done.returncode == 2
    assert f"{name}: " in done.stderr
    assert problem in done.stderr
    assert "listening" not in done.stdout


def test_what_undoes_pseudonyms_is_kept_only_where_it_is_asked_for(tmp_path: Path) -> None:
    vendor = "com.snowplowanalytics.snowplow.enrichments"
    name = "pii_enrichment_config"
    strategy = {"pseudonymize": {"hashFunction": "SHA-256", "salt": "s"}}
    document = {
        "schema": f"iglu:{vendor}/{name}/jsonschema/2-0-1",
        "data": {
            "vendor": vendor,
            "name": name,
            "enabled": True,
            "emitEvent": True,
            "parameters": {"pii": [{"pojo": {"field": "user_id"}}], "strategy": strategy},
        },
    }
    (tmp_path / "pii.json").write_text(json.dumps(document))
    vault, data = tmp_path / "vault.tsv", tmp_path / "data"
    options = ("--enrichments", str(tmp_path))
    for more in ((), ("--pii-events", str(vault))):
        with up(data, *options, *more) as running:
            running.post({"uid": "somebody"})
            assert running.stop() == (0, "")

    assert vault.read_text().count("somebody") == 1
    assert vault.stat().st_mode & 0o077 == 0
    stored = query(data, "SELECT DISTINCT length(user_id) AS size FROM events")
    assert stored == [{"size": 64}]


def test_what_is_left_of_failed_events_is_kept_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And settings of enrich hold: one of them is what the event fails by."""
    limits = ("--set", "enrich.atomic_limits={page_title = 3}")
    with up(tmp_path, "--incomplete", *limits, "--retention", "incomplete_events=30d") as running:
        running.post({"page": "long", "uid": "somebody"})
        assert running.stop() == (0, "")

    where = ("--data", str(tmp_path))
    (shown,) = output(capsys, "events", "--incomplete", "--format", "json", *where).splitlines()
    event = json.loads(shown)
    (failure,) = event["contexts_com_snowplowanalytics_snowplow_failure_1"]
    assert (event["user_id"], event["page_title"]) == ("somebody", None)
    assert failure["data"] == {"page_title": "long"}
    (line,) = output(capsys, "events", "--incomplete", "--format", "tsv", *where).splitlines()
    assert len(line.split("\t")) == 131
    assert "page_view" in output(capsys, "events", "--incomplete", *where)
    assert run(["events", "--incomplete", "--failed", *where]) == 2


def test_a_data_folder_that_cannot_be_made_is_said_with_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")

    status = run(["up", "--data", str(file / "data")])

    assert status == 2
    message = capsys.readouterr().err
    assert str(file / "data") in message
    assert "--data or WHITEOUT_DATA" in message


def test_a_child_that_fails_while_its_parent_is_there_ends_with_its_own_status() -> None:
    """It waits for the end of its input; Python must not stumble over that on the way out."""
    code = """
import threading, time
from whiteout.cli.options import stop_at_end_of_input
stop_at_end_of_input(threading.Event())
time.sleep(0.1)  # it waits now
raise SystemExit(3)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stderr is not None
    errors = child.stderr.read()  # the input stays open until then
    child.communicate()

    assert (child.returncode, errors) == (3, b"")
