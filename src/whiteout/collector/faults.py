"""Faults of our own, told without anything of the request that met them (W10)."""

from __future__ import annotations

import logging

from whiteout.collector.exchange import Response, plain

_logger = logging.getLogger("whiteout.collector")


def answer_to(error: Exception) -> Response:
    """Log what kind of fault it is and where; its text may hold what was sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = trace.tb_lineno if trace is not None else 0
    _logger.error("a request failed: %s at line %d", type(error).__name__, line)
    return plain(500, b"Internal Server Error")
