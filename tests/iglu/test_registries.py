"""Folders and HTTP servers with schemas, the hostile ones too."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.errors import ConfigurationError
from whiteout.iglu import FolderRegistry, HttpRegistry, LookupProblem
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = parse_schema_key("iglu:com.acme/thing/jsonschema/1-0-0")
SCHEMA: dict[str, Any] = {
    "self": {"vendor": "com.acme", "name": "thing", "format": "jsonschema", "version": "1-0-0"},
    "type": "object",
}
NOT_FOUND = LookupProblem("NotFound")


def write(folder: Path, path: str, content: str | bytes) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("root", ["schemas/", ""])
def test_a_folder_may_have_the_schemas_below_schemas_or_at_its_root(
    tmp_path: Path, root: str
) -> None:
    write(tmp_path, f"{root}com.acme/thing/jsonschema/1-0-0", json.dumps(SCHEMA))
    registry = FolderRegistry(tmp_path)

    assert registry.lookup(KEY) == SCHEMA
    assert registry.lookup(parse_schema_key("iglu:com.acme/thing/jsonschema/1-0-1")) == NOT_FOUND
    assert list(registry.keys()) == [KEY]
    assert registry.name == str(tmp_path)


def test_a_key_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "outer/inner/.keep", "")
    write(tmp_path, "outer/thing/jsonschema/1-0-0", "{}")
    write(tmp_path, "secret", "{}")
    inner = tmp_path / "outer" / "inner"
    (inner / "com.acme" / "thing" / "jsonschema").mkdir(parents=True)
    (inner / "com.acme" / "thing" / "jsonschema" / "1-0-0").symlink_to(tmp_path / "secret")
    registry = FolderRegistry(inner)

    assert registry.lookup(parse_schema_key("iglu:../thing/jsonschema/1-0-0")) == NOT_FOUND
    assert registry.lookup(KEY) == NOT_FOUND


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "deeper"),
        (b" " * (512 * 1024 + 1), "larger"),
        (json.dumps({**SCHEMA, "self": {**SCHEMA["self"], "name": "other"}}).encode(), "another"),
    ],
)
def test_a_file_that_is_no_schema_is_a_failure_of_the_folder(
    tmp_path: Path, content: bytes, message: str
) -> None:
    write(tmp_path, "com.acme/thing/jsonschema/1-0-0", content)

    problem = FolderRegistry(tmp_path).lookup(KEY)

    assert isinstance(problem, LookupProblem)
    assert problem.kind == "RepoFailure"
    assert message in problem.message


def test_a_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="folder"):
        FolderRegistry(tmp_path / "none")


Answer = "Callable[[BaseHTTPRequestHandler], None]"


@contextmanager
def serve(
    answer: Callable[[BaseHTTPRequestHandler], None],
) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A real server on loopback; yields its address and what it was asked (path, apikey)."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append((self.path, self.headers["apikey"]))
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(
    status: int, content: bytes = b"", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@contextmanager
def registry(uri: str, **settings: Any) -> Iterator[HttpRegistry]:  # noqa: ANN401 - passed on
    http = HttpRegistry(uri, **settings)
    try:
        yield http
    finally:
        http.close()


def test_a_schema_is_asked_for_by_its_path_with_the_key_of_the_registry() -> None:
    with (
        serve(reply(200, json.dumps(SCHEMA).encode())) as (uri, asked),
        registry(f"{uri}/api/", api_key="k") as http,
    ):
        assert http.lookup(KEY) == SCHEMA
        assert asked == [("/api/schemas/com.acme/thing/jsonschema/1-0-0", "k")]
        assert "k" not in http.name.rpartition("/")[2]


def test_404_is_not_found_and_other_answers_are_failures_tried_twice() -> None:
    with serve(reply(404)) as (uri, asked), registry(uri) as http:
        assert http.lookup(KEY) == NOT_FOUND
        assert len(asked) == 1
    with serve(reply(503)) as (uri, asked), registry(uri) as http:
        assert http.lookup(KEY) == LookupProblem("RepoFailure", "status 503")
        assert len(asked) == 2


def test_a_registry_that_failed_is_left_alone_for_a_while() -> None:
    now = 0.0
    with (
        serve(reply(503)) as (uri, asked),
        registry(uri, monotonic_s=lambda: now) as http,
    ):
        kinds = []
        for now in (0.0, 0.9, 1.0, 2.9, 3.0):  # noqa: B007 - the clock reads it
            answer = http.lookup(KEY)
            assert isinstance(answer, LookupProblem)
            kinds.append(answer.kind)

    assert kinds == ["RepoFailure", "ClientFailure", "RepoFailure", "ClientFailure", "RepoFailure"]
    assert len(asked) == 6


@pytest.mark.parametrize(
    ("status", "content"), [(403, b""), (200, b"{"), (200, b'{"self": {"vendor": "another"}}')]
)
def test_one_schema_that_cannot_be_had_keeps_no_other_from_being_asked_for(
    status: int, content: bytes
) -> None:
    """S3 answers 403 for what it does not have; and anybody can name a schema that is broken."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        is_good = "com.acme/thing" in handler.path
        reply(*((200, json.dumps(SCHEMA).encode()) if is_good else (status, content)))(handler)

    with serve(answer) as (uri, asked), registry(uri) as http:
        problem = http.lookup(parse_schema_key("iglu:com.acme/broken/jsonschema/1-0-0"))
        assert isinstance(problem, LookupProblem)
        assert problem.kind == "RepoFailure"
        assert http.lookup(KEY) == SCHEMA
        assert len(asked) == 2


@pytest.mark.parametrize("status", [408, 429, 500])
def test_a_registry_that_cannot_answer_now_is_left_alone_for_all(status: int) -> None:
    with serve(reply(status)) as (uri, asked), registry(uri) as http:
        http.lookup(parse_schema_key("iglu:com.acme/broken/jsonschema/1-0-0"))
        assert http.lookup(KEY) == LookupProblem(
            "ClientFailure", "registry failed before and is left alone"
        )
        assert len(asked) == 2


def test_the_number_of_lookups_in_a_minute_is_limited() -> None:
    now = 0.0
    with (
        serve(reply(404)) as (uri, asked),
        registry(uri, max_lookups_per_minute=3, monotonic_s=lambda: now) as http,
    ):
        answers = [http.lookup(KEY) for _ in range(5)]
        now = 60.0
        later = http.lookup(KEY)

    assert answers[:3] == [NOT_FOUND] * 3
    assert answers[3:] == [LookupProblem("ClientFailure", "too many lookups in this minute")] * 2
    assert later == NOT_FOUND
    assert len(asked) == 4


def test_a_redirect_is_followed_on_the_same_origin_only() -> None:
    def moved(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/new"):
            reply(200, json.dumps(SCHEMA).encode())(handler)
        else:
            reply(301, Location=f"/new{handler.path}")(handler)

    with serve(moved) as (uri, asked), registry(uri) as http:
        assert http.lookup(KEY) == SCHEMA
        assert len(asked) == 2
    for location in ("http://127.0.0.1:1/x", "file:///etc/passwd", "https://127.0.0.1/x"):
        with serve(reply(302, Location=location)) as (uri, _), registry(uri) as http:
            assert http.lookup(KEY) == LookupProblem("RepoFailure", "redirect to another origin")


def test_a_circle_of_redirects_ends() -> None:
    with serve(reply(302, Location="/again")) as (uri, asked), registry(uri) as http:
        assert http.lookup(KEY) == LookupProblem("RepoFailure", "too many redirects")
        assert len(asked) == 8


def test_an_answer_without_end_is_cut() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            for _ in range(1000):
                handler.wfile.write(b" " * 65536)
        except OSError:
            return  # the registry hung up, as it should
        finally:
            handler.close_connection = True

    with serve(endless) as (uri, _), registry(uri) as http:
        answer = http.lookup(KEY)

    assert isinstance(answer, LookupProblem)
    assert "larger" in answer.message


def test_an_answer_that_drips_is_given_up() -> None:
    stop = threading.Event()

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            while not stop.wait(0.02):
                handler.wfile.write(b" ")
        except OSError:
            return
        finally:
            handler.close_connection = True

    started = time.monotonic()
    with serve(dripping) as (uri, _), registry(uri, timeout_s=0.2) as http:
        answer = http.lookup(KEY)
        stop.set()

    assert isinstance(answer, LookupProblem)
    assert answer.kind == "RepoFailure"
    assert time.monotonic() - started < 3


def test_a_compressed_bomb_is_cut() -> None:
    import gzip  # noqa: PLC0415 - only here

    bomb = gzip.compress(b" " * 50_000_000)
    with (
        serve(reply(200, bomb, **{"Content-Encoding": "gzip"})) as (uri, _),
        registry(uri) as http,
    ):
        answer = http.lookup(KEY)

    assert isinstance(answer, LookupProblem)
    assert "larger" in answer.message


def test_a_registry_that_is_not_there_or_never_answers_is_a_failure() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with registry(uri, timeout_s=0.2) as http:
            unanswered = http.lookup(KEY)
        assert time.monotonic() - started < 3
    with registry(uri, timeout_s=0.2) as http:
        refused = http.lookup(KEY)

    assert isinstance(unanswered, LookupProblem)
    assert isinstance(refused, LookupProblem)
    assert unanswered.kind == refused.kind == "RepoFailure"


def test_a_vendor_of_dots_is_not_asked_for() -> None:
    with serve(reply(200, b"{}")) as (uri, asked), registry(uri) as http:
        assert http.lookup(parse_schema_key("iglu:../x/jsonschema/1-0-0")) == NOT_FOUND
        assert asked == []


@pytest.mark.parametrize(
    "uri",
    ["ftp://a.example", "a.example", "http://", "http://u:p@a.example", "http://a.example/?k=1"],
)
def test_an_address_that_is_none_or_carries_credentials_is_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="uri must"):
        HttpRegistry(uri)
