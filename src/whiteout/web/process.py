"""The application as a thread beside the loader, behind a Unix socket in a private folder."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from whiteout.web.app import Parts, create_app

if TYPE_CHECKING:
    from typing import Self

_STOP_S = 5.0
_CONNECTIONS = 100  # more than the collector forwards at once


class PageServer:
    """Serves the application until it is closed.

    Args:
        parts: what it shows.
        place: where to listen: the path of a Unix socket, whose folder is for this user only, or a
            socket that is bound.
    """

    def __init__(self, parts: Parts, place: Path | socket.socket) -> None:
        if isinstance(place, Path):
            with contextlib.suppress(FileNotFoundError):
                place.unlink()  # of a process that died
        configuration = uvicorn.Config(
            create_app(parts),
            uds=str(place) if isinstance(place, Path) else None,
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
        self._thread = threading.Thread(
            target=self._server.run,
            args=([place] if isinstance(place, socket.socket) else None,),
            name="whiteout-page",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_S)
