"""What arrived, asked for over HTTP: Micro's API and the page, on the port of the collector.

Test suites in other languages ask there. Nothing of it is loaded before the first question comes,
since tests in Python ask the assertions; then it is made of what arrived until now.
"""

from __future__ import annotations

import importlib.util
import logging
import socket
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from whiteout.collector.forwarding import Forwarder

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from whiteout.collector.exchange import Request
    from whiteout.collector.forwarding import Forwarding
    from whiteout.collector.owed import Exchange
    from whiteout.testing.pipeline import Pipeline

_LOGGER = logging.getLogger(__name__)


class Questions(Forwarder):
    """Hands questions to a thread that answers them, and starts it with the first one.

    Args:
        pipeline: what is asked about.
        settle: has what is still on its way arrive; called before an answer.
    """

    def __init__(self, pipeline: Pipeline, settle: Callable[[], None]) -> None:
        self._pipeline, self._settle = pipeline, settle
        self._stack = ExitStack()
        folder = tempfile.TemporaryDirectory(prefix="whiteout-")  # short: sockets' names are
        super().__init__(Path(self._stack.enter_context(folder)) / "page")
        self._starting: threading.Thread | None = None
        self._missing = _missing()

    def forward(
        self, request: Request, exchange: Exchange, client: asyncio.Transport
    ) -> Forwarding | None:
        """As of any forwarder; None also where what answers is not installed."""
        if self._missing is not None:
            _LOGGER.warning("%s", self._missing)
            return None
        if self._starting is None:
            self._starting = threading.Thread(target=self._start, name="whiteout-questions")
            self._starting.start()
        return super().forward(request, exchange, client)

    def close(self) -> None:
        """Answer no more."""
        if self._starting is not None:
            self._starting.join()
        self._stack.close()

    def _start(self) -> None:
        from whiteout.testing.window import serve  # noqa: PLC0415 - a second's worth of modules

        self._stack.enter_context(serve(self._pipeline, self._settle, Path(self.socket)))


def _missing() -> str | None:
    """What keeps questions from being answered; None where nothing does."""
    if any(importlib.util.find_spec(name) is None for name in ("starlette", "jinja2")):
        return "/micro/… and /ui need pip install 'whiteout[web]'"
    if not hasattr(socket, "AF_UNIX"):
        return "/micro/… and /ui need Unix sockets, which this system does not have"
    return None
