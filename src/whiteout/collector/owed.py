"""The answers that a connection owes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.collector.exchange import UNAVAILABLE

if TYPE_CHECKING:
    from whiteout.collector.connection import Connection
    from whiteout.collector.exchange import Answer
    from whiteout.collector.forwarding import Forwarding


class Exchange:
    """One request on its way to its answer."""

    __slots__ = (
        "answer",
        "close",
        "connection",
        "forwarding",
        "is_head",
        "linger",
        "response",
        "tell",
    )

    def __init__(self, connection: Connection, response: Answer) -> None:
        self.connection = connection
        self.response = response  # unless the log fails
        self.is_head = False
        self.close = False
        self.tell = False  # that the connection is kept, as HTTP/1.0 clients ask
        self.linger = False  # a refusal: more may be on its way, and must not reset the answer
        self.answer: bytes | None = None  # None: not known yet
        self.forwarding: Forwarding | None = None  # to another process, once its turn has come

    def stored(self, ok: bool) -> None:  # noqa: FBT001 - see `sink.Waiter`
        """The sink's word."""
        self.connection.answer(self, self.response if ok else UNAVAILABLE)
