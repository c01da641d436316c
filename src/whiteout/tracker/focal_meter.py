"""FocalMeter: tells Kantar's audience meter on the same network who this installation is.

Source: reference 2.5. The native trackers also call it while anonymous, with the null UUID, and at
once when anonymity ends (leak L21). Here nobody is called unless an event without any anonymity and
with a session has been tracked, and the level still has none when the request is about to leave.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whiteout.errors import ConfigurationError
from whiteout.identifiers import NULL_UUID, Anonymisation
from whiteout.tracker.hooks import check_function
from whiteout.tracker.network import SENDING_THREAD, USER_AGENT, HttpConnection, OutgoingRequest
from whiteout.tracker.plugins import PluginConfiguration
from whiteout.tracker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.tracker.clock import Clock
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.inspectable import InspectableEvent
    from whiteout.tracker.network import NetworkConnection

IDENTIFIER: Final = "KantarFocalMeter"
TIMEOUT_S: Final = 10.0
_MAX_PAUSE_S: Final = 300.0
_MAX_DOUBLINGS: Final = 9
_MAX_USER_ID: Final = 1024  # characters; what is longer is no id
_FIELD: Final = "kantar_endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class FocalMeterConfiguration:
    """Where the meter is.

    Args:
        kantar_endpoint: its address; `https://` is put in front where no scheme is given.
        process_user_id: changes the session's user id before it is sent, for instance hashes it.
            What it gives back must be text; where it fails, nothing is sent.

    Raises:
        ConfigurationError: the address is none, or holds a login or a fragment; or
            `process_user_id` cannot be called.
    """

    kantar_endpoint: str = field(repr=False)
    process_user_id: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, _FIELD, _checked(self.kantar_endpoint))
        if self.process_user_id is not None:
            check_function("process_user_id", self.process_user_id)


class FocalMeter:
    """The meter of one tracker: a plugin, and a thread that asks.

    At most one request is under way, and it is not repeated by itself: one that fails is made again
    at a later event: the next one after the first failure, then after pauses that grow to five
    minutes. No cookies, no redirects, a connection of its own, ten seconds at most.

    Args:
        configuration: where the meter is.
        user_id: the running session's user id; None where there is no session, and while the
            tracker is anonymous in any way. Called on the meter's thread.
        counters: for warnings.
        clock: for pauses.
        connection: what sends; by default the built-in sender.
    """

    def __init__(
        self,
        configuration: FocalMeterConfiguration,
        *,
        user_id: Callable[[], str | None],
        counters: Counters,
        clock: Clock,
        connection: NetworkConnection | None = None,
    ) -> None:
        self._configuration = configuration
        self._user_id = user_id
        self._counters = counters
        self._clock = clock
        self._connection = connection or HttpConnection()
        # Named as the thread that sends events, so that URLs stay out of other libraries' logs.
        self._worker = Worker(SENDING_THREAD, self.ask)
        self._lock = threading.RLock()
        self._told: str | None = None
        self._failures = 0
        self._failures_in_a_row = 0
        self._quiet_until_s = 0.0
        self._forgotten = 0

    @property
    def failures(self) -> int:
        """How many requests were not answered with 2xx, or could not be made."""
        return self._failures

    def plugin(self) -> PluginConfiguration:
        """What makes the tracker's events reach it."""
        return PluginConfiguration(identifier=IDENTIFIER, after_track=self.after_track)

    def after_track(self, event: InspectableEvent) -> None:
        """Consider a request, where the event is not anonymous in any way. Never waits."""
        if event.anonymisation is Anonymisation.NONE:
            self._worker.wake()

    def ask(self) -> None:
        """Send a request if one is due. On the meter's thread; raises nothing."""
        if self._clock.monotonic_s() < self._quiet_until_s:
            return
        forgotten = self._forgotten
        try:
            user_id = self._user_id()
            if user_id in (None, NULL_UUID, self._told):
                return
            url = self._url(user_id or "")
            if self._user_id() != user_id:  # the app's function may have taken its time
                return
            is_told = self._send(url)
        except Exception as error:  # noqa: BLE001 - the app's code, and the top of a thread
            self._fail(f"failed: {type(error).__name__}")
            return
        if not is_told:
            self._fail("was not answered with success")
            return
        with self._lock:
            self._failures_in_a_row = 0
            if forgotten == self._forgotten:
                self._told = user_id

    def forget(self) -> None:
        """Forget who was told of."""
        with self._lock:
            self._forgotten += 1
            self._told = None

    def close(self, timeout_s: float = 0.0) -> bool:
        """Ask no more; False: a request is still under way, and is left to itself."""
        self._quiet_until_s = float("inf")
        is_done = self._worker.close(timeout_s)
        if is_done:
            self._connection.close()
        return is_done

    def after_fork(self) -> None:
        """In a forked child: begin with a thread of its own."""
        self._lock = threading.RLock()
        self._worker.after_fork()

    def _url(self, user_id: str) -> str:
        """Where to ask.

        Raises:
            TypeError: `process_user_id` gave no text.
            ValueError: it gave an empty one, or one too long for an id.
        """
        import urllib.parse  # noqa: PLC0415 - for those who have a meter

        process = self._configuration.process_user_id
        shown = process(user_id) if process is not None else user_id
        if not isinstance(shown, str):
            raise TypeError
        if not 1 <= len(shown) <= _MAX_USER_ID:
            raise ValueError
        query = urllib.parse.urlencode({"vendor": "snowplow", "cs_fpid": shown, "c12": "not_set"})
        endpoint = self._configuration.kantar_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def _send(self, url: str) -> bool:
        request = OutgoingRequest(
            method="GET",
            url=url,
            headers={"User-Agent": USER_AGENT},
            body=None,
            is_anonymous=True,  # no cookies, no shared connection: it is a stranger
            timeout=TIMEOUT_S,
        )
        status = self._connection.send(request).status
        return status is not None and 200 <= status <= 299  # noqa: PLR2004 - HTTP

    def _fail(self, what: str) -> None:
        with self._lock:
            self._failures += 1
            doublings = min(self._failures_in_a_row, _MAX_DOUBLINGS)
            self._failures_in_a_row += 1
            if doublings:
                pause_s = min(2.0**doublings, _MAX_PAUSE_S)
                self._quiet_until_s = max(self._quiet_until_s, self._clock.monotonic_s() + pause_s)
        self._counters.warn(IDENTIFIER, f"the request to FocalMeter {what}")


def _checked(endpoint: object) -> str:
    """The endpoint with a scheme. Errors do not repeat it: its query may hold a key."""
    import urllib.parse  # noqa: PLC0415 - for those who have a meter

    if not isinstance(endpoint, str) or not endpoint:
        raise ConfigurationError(f"{_FIELD} must be an address, got a {type(endpoint).__name__}")
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        parts = urllib.parse.urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not has_host or not is_plain or parts.scheme not in ("http", "https"):
        raise ConfigurationError(
            f"{_FIELD} must be an http or https address such as https://meter.example/path"
        )
    if parts.username is not None or parts.fragment or "#" in url:
        raise ConfigurationError(f"{_FIELD} must have neither a login nor a fragment")
    return parts._replace(path=parts.path or "/").geturl()
