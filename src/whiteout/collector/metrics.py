"""Counters of the collector, for Prometheus: how much, and nothing of whom.

No label comes from a request: none of its texts, no address, no path. Owner: the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "whiteout_collector_"
CONTENT_TYPE = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"


class Metrics:
    """What has happened since the start.

    Attributes:
        stored: requests whose records are durable.
        unavailable: requests that were answered 503 because their records could not be stored.
        log_full: of these, because the log may not grow further.
        other: requests that are no events, health checks among them.
        refused: requests that broke a limit or HTTP itself, by status.
        records: that are durable.
        record_bytes: of records and bad rows.
        bad_rows: that are durable.
        appends: to the sink, each for all requests that came meanwhile.
        append_seconds: in all of them.
    """

    __slots__ = (
        "append_seconds",
        "appends",
        "bad_rows",
        "log_full",
        "other",
        "record_bytes",
        "records",
        "refused",
        "stored",
        "unavailable",
    )

    def __init__(self) -> None:
        self.stored = self.unavailable = self.log_full = self.other = 0
        self.refused: dict[int, int] = {}
        self.records = self.record_bytes = self.bad_rows = self.appends = 0
        self.append_seconds = 0.0

    def refuse(self, status: int) -> None:
        """Count a request that was not taken."""
        self.refused[status] = self.refused.get(status, 0) + 1

    def text(self, gauges: Mapping[str, int]) -> bytes:
        """Write all of it in Prometheus' text format, with what is only true now."""
        requests = {
            'requests_total{outcome="stored"}': self.stored,
            'requests_total{outcome="unavailable"}': self.unavailable,
            'requests_total{outcome="other"}': self.other,
        }
        refused = {
            f'refused_total{{status="{status}"}}': count
            for status, count in sorted(self.refused.items())
        }
        families: list[tuple[str, str, Mapping[str, float]]] = [
            ("requests_total", "counter", requests),
            ("refused_total", "counter", refused),
            ("log_full_total", "counter", {"log_full_total": self.log_full}),
            ("records_total", "counter", {"records_total": self.records}),
            ("record_bytes_total", "counter", {"record_bytes_total": self.record_bytes}),
            ("bad_rows_total", "counter", {"bad_rows_total": self.bad_rows}),
            (
                "append_seconds",
                "summary",
                {
                    "append_seconds_sum": round(self.append_seconds, 6),
                    "append_seconds_count": self.appends,
                },
            ),
            *((name, "gauge", {name: value}) for name, value in gauges.items()),
        ]
        lines: list[str] = []
        for name, kind, samples in families:
            lines.append(f"# TYPE {_PREFIX}{name} {kind}")
            lines += [f"{_PREFIX}{sample} {value}" for sample, value in samples.items()]
        return ("\n".join(lines) + "\n").encode()
