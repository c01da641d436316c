"""Log lines on standard error, as text or as JSON: what the standard library's loggers say.

structlog renders them. It is loaded with the first line, since most processes never write one and
loading it takes longer than starting a collector does.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.stdlib import ProcessorFormatter

Format = Literal["text", "json"]


def log_to_stderr(log_format: Format = "text") -> None:
    """Write warnings on standard error, one line each.

    Args:
        log_format: `text` is for people; `json` writes an object with `timestamp` (UTC), `level`,
            `logger` and `event`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _Lines(logging.Formatter):
    """Hands records to structlog, once there is one."""

    def __init__(self, log_format: Format) -> None:
        super().__init__()
        self._log_format = log_format
        self._structlog: ProcessorFormatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        if self._structlog is None:
            self._structlog = _formatter(self._log_format)
        return self._structlog.format(record)


def _formatter(log_format: Format) -> ProcessorFormatter:
    from structlog.processors import JSONRenderer  # noqa: PLC0415 - see above
    from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name  # noqa: PLC0415

    return ProcessorFormatter(
        foreign_pre_chain=[_add_time, add_log_level, add_logger_name],
        processors=[_only_what_is_safe, JSONRenderer() if log_format == "json" else _as_text],
    )


def _add_time(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When it was said; rendering may come later."""
    moment = datetime.fromtimestamp(event["_record"].created, UTC)
    event["timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _only_what_is_safe(_: object, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Four fields, in this order. No trace: a text of it may hold what was sent."""
    return {name: event[name] for name in ("timestamp", "level", "logger", "event")}


def _as_text(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return f"whiteout: {event['event']}"
