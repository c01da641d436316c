"""`tracker.network`: where events go, changeable while the tracker runs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from whiteout.tracker.configuration import HttpMethod
from whiteout.tracker.live import Controlled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.tracker.configuration import NetworkConfiguration
    from whiteout.tracker.live import Live, LiveChanges


class NetworkController(Controlled):
    """`tracker.network`: where events go, those included that wait already.

    A change acts on the next request, and what failed before is tried again at once. A request that
    is under way ends as it began.
    """

    _section = "network"
    _changes: LiveChanges

    def __init__(self, live: Live[NetworkConfiguration], changes: LiveChanges) -> None:
        self._live = live
        self._changes = changes

    @property
    def endpoint(self) -> str:
        """The collector's address. Another one forgets cookies and connections of this one."""
        return self._live.current.endpoint

    @endpoint.setter
    def endpoint(self, value: str) -> None:
        self._changes.network("endpoint", value)

    @property
    def url(self) -> str:
        """The URL of the requests of identified events, without the query."""
        current = self._live.current
        return current.get_url if current.method is HttpMethod.GET else current.post_url

    @property
    def method(self) -> HttpMethod:
        """POST or GET; anonymous events always go by POST."""
        return self._live.current.method

    @method.setter
    def method(self, value: HttpMethod) -> None:
        self._changes.network("method", value)

    @property
    def custom_post_path(self) -> str | None:
        """The path of POST requests; None: `com.snowplowanalytics.snowplow/tp2`."""
        return self._live.current.custom_post_path

    @custom_post_path.setter
    def custom_post_path(self, value: str | None) -> None:
        self._changes.network("custom_post_path", value)

    @property
    def timeout(self) -> float:
        """Seconds for one request, connecting included; 1 to 300."""
        return self._live.current.timeout

    @timeout.setter
    def timeout(self, value: float) -> None:
        self._changes.network("timeout", value)

    @property
    def request_headers(self) -> Mapping[str, str]:
        """More headers of identified requests. Set them whole: what is read is read only."""
        return MappingProxyType(dict(self._live.current.request_headers))

    @request_headers.setter
    def request_headers(self, value: Mapping[str, str]) -> None:
        self._changes.network("request_headers", value)
