"""`whiteout up` on a free port of loopback, and what tests ask it over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

TP2 = "/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
UNSTRUCT = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"
CONTEXTS = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
_STOP_S = 60
_TIMEOUT_S = 30


class Answer:
    """One answer, read as a whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """The body as JSON."""
        return json.loads(self.body)


class Pipeline:
    """A running `whiteout up`, to be used as a context manager.

    Args:
        data: its data folder.
        *options: more of the command line.
        environment: of the process; the test's own where None.
    """

    def __init__(
        self, data: Path, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        command = ["up", "--data", str(data), "--port", "0", "--no-iglu-central"]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "whiteout.cli", *command, *options],
            stdout=subprocess.PIPE,
            text=True,
            env=None if environment is None else dict(environment),
        )
        assert self.process.stdout is not None
        count = 3 if "--no-page" in options else 4
        self.lines = [self.process.stdout.readline().rstrip() for _ in range(count)]
        self.port = int(self.lines[0].rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.terminate()
        try:
            self.process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask one thing, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """`GET`; `_` in the names of headers is `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("GET", path, headers=named)

    @contextlib.contextmanager
    def stream(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """`GET` of an answer that does not end, to be read line by line."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path)
            yield connection.getresponse()
        finally:
            connection.close()

    def ask(self, path: str, question: object) -> Answer:
        """`POST` of JSON."""
        return self.request(
            "POST", path, json.dumps(question), {"Content-Type": "application/json"}
        )

    def send(self, *events: Mapping[str, str], **headers: str) -> list[str]:
        """Send events in one request; returns their ids."""
        base = {"e": "pv", "p": "pc", "tv": "test-1", "aid": "shop"}
        full = [{**base, "eid": str(uuid.uuid4()), **event} for event in events]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.request(
            "POST",
            TP2,
            json.dumps({"schema": PAYLOAD_DATA, "data": full}),
            {"Content-Type": "application/json", **named},
        )
        assert answer.status == 200
        return [event["eid"] for event in full]


def self_describing(schema: str, data: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a self-describing event."""
    inner = {"schema": schema, "data": data}
    return {"e": "ue", "ue_pr": json.dumps({"schema": UNSTRUCT, "data": inner})}


def entities(*pairs: tuple[str, Mapping[str, Any]]) -> dict[str, str]:
    """The parameter that holds entities."""
    data = [{"schema": schema, "data": data} for schema, data in pairs]
    return {"co": json.dumps({"schema": CONTEXTS, "data": data})}
