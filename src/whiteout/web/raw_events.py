"""The requests that good events came with, as Snowplow's Micro shows them: its *RawEvent*.

They are read from the records of the log, again by the door's and enrich's own rules for anonymous
ones, and only when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.enrich import timestamps
from whiteout.enrich.adapter import Rejected
from whiteout.enrich.load import Unreadable, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.load import Request
    from whiteout.web.recent import RecentEvents, Row
    from whiteout.web.schemas import Schemas


class RawEvents:
    """Finds them for one answer. One thread at a time.

    Args:
        recent: keeps the records.
        schemas: judge the bodies, as enrich has.
    """

    def __init__(self, recent: RecentEvents, schemas: Schemas) -> None:
        self._recent, self._schemas = recent, schemas
        self._number: int | None = None
        self._request: Request | None = None
        self._events: Sequence[Parameters] = ()

    def of(self, row: Row) -> dict[str, Any] | None:
        """What came of one event; None where it is not kept, or its record cannot be read alone."""
        number = row["request"]
        if number is None:
            return None
        if number != self._number:  # events of one request mostly follow each other
            self._read(number)
        if self._request is None or row["place"] >= len(self._events):
            return None
        return _raw_event(self._request, self._events[row["place"]])

    def _read(self, number: int) -> None:
        self._number, self._request, self._events = number, None, ()
        record = self._recent.record(number)
        if record is None:
            return
        request = load(record)
        if isinstance(request, Unreadable):
            return
        events = self._schemas.adapt(request)
        if not isinstance(events, Rejected):
            self._request, self._events = request, events


def _raw_event(request: Request, parameters: Parameters) -> dict[str, Any]:
    payload = request.payload
    return {
        "api": {"vendor": request.vendor, "version": request.version},
        "parameters": parameters,
        "contentType": payload.content_type,
        "source": {
            "name": payload.collector,
            "encoding": payload.encoding,
            "hostname": payload.hostname,
        },
        "context": {
            "timestamp": timestamps.to_iso(payload.timestamp),
            "ipAddress": payload.ip_address,
            "useragent": payload.user_agent,
            "refererUri": payload.referer_uri,
            "headers": payload.headers,
            "userId": payload.network_user_id,
        },
    }
