"""A real S3-compatible server on loopback, in a process of its own (the wheel `moto`)."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_DEADLINE_S = 30.0
SECRET = "a-secret-access-key-7301"  # noqa: S105 - of a server that checks none

# Says which port it got, then serves until it is stopped.
_PROGRAM = """
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
server._thread.join()
"""


@dataclass
class ObjectStore:
    """Running while it is entered. `environment` has what a client needs."""

    bucket: str = "lake"
    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        deadline = time.monotonic() + _DEADLINE_S
        while self.put(f"/{self.bucket}") != http.HTTPStatus.OK:
            assert time.monotonic() < deadline
        return self

    def put(self, path: str, body: bytes = b"") -> int:
        """Put an object, or a bucket; the answer's status, 0 for none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("PUT", path, body)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()
