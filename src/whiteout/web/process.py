"""The application as a thread beside the loader, behind a Unix socket in a private folder."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import uvicorn

from whiteout.web.app import Parts, create_app

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_STOP_S = 5.0
_CONNECTIONS = 100  # more than the collector forwards at once


class PageServer:
    """Serves the application until it is closed.

    Args:
        parts: what it shows.
        socket: where to listen; its folder is for this user only.
    """

    def __init__(self, parts: Parts, socket: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            socket.unlink()  # of a process that died
        configuration = uvicorn.Config(
            create_app(parts),
            uds=str(socket),
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(configuration)
        self._thread = threading.Thread(target=self._server.run, name="whiteout-page", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_S)
