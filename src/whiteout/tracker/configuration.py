"""What an app configures. Frozen, keyword-only, checked when made.

Names and defaults are the native trackers' in snake_case (reference section 2) unless a docstring
says why not. An option stands here only if it does something.
"""

from __future__ import annotations

import enum
import math
import os
import re
from collections import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation
from whiteout.strict.profile import PrivacyProfile, SafeProperties

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from whiteout.identifiers import Identifier
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.platform import PlatformContextRetriever, PlatformProperty
    from whiteout.tracker.session import SessionState

_Number = TypeVar("_Number", int, float)

_SIZE = re.compile(r"[0-9]{1,9}x[0-9]{1,9}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:@/-]+")
_QUERY_KEY = re.compile(r"[A-Za-z0-9._~-]{1,255}")
_RESERVED_HEADERS = frozenset(
    {"sp-anonymous", "cookie", "content-type", "content-length", "host", "transfer-encoding"}
)


class DevicePlatform(enum.Enum):
    """The `p` parameter."""

    WEB = "web"
    MOBILE = "mob"
    DESKTOP = "pc"
    SERVER = "srv"
    GENERAL = "app"
    CONNECTED_TV = "tv"
    GAME_CONSOLE = "cnsl"
    INTERNET_OF_THINGS = "iot"
    HEADSET = "headset"


class HttpMethod(enum.Enum):
    """How events reach the collector. Anonymous events always go by POST (leak L30)."""

    GET = "GET"
    POST = "POST"


class BufferOption(enum.IntEnum):
    """How many events must wait before a request is made."""

    SINGLE = 1
    SMALL_GROUP = 10
    LARGE_GROUP = 25


class Pending(enum.Enum):
    """What happens to events that wait in the store when anonymity is switched on."""

    KEEP = "keep"
    ANONYMISE = "anonymise"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfiguration:
    """What the tracker adds to every event, and how anonymous it is.

    Attributes:
        app_id: `aid`; at most 255 characters.
        device_platform: `p`; by default mobile on iOS and Android, else desktop.
        base64_encoding: entities and event bodies as `cx`/`ue_px` (True) or `co`/`ue_pr`.
        user_anonymisation: hide who the user is. None: not said, which keeps the stricter of what
            the namespace had before (leak L34), and is off for a new one.
        session_context: attach the session entity. None: not said, as above; on for a new one.
        before_consent: the flags that hold until the user has answered, whatever else is said of
            them; the answer is `tracker.consent.give` or `withdraw`. None: not said, which keeps
            what the namespace had before in this process; for a new one nobody is asked.
        platform_context: attach the platform entity. None: not said, which keeps the stricter of
            what the namespace had before in this process, and is on for a new one (leak L34).
        platform_context_properties: only these, besides the four basics. None: not said, as above;
            all there are (which `PlatformProperty` itself says) for a new one.
        platform_context_retriever: overrides, one callback a property.
        application_context: attach the application entity; needs the two values below. None: not
            said, as above; on for a new one.
        application_version: the app's version, `2.4.1`.
        application_build: the app's build, `2419`; by default the version.
        screen_context: put the screen of the last `ScreenView` on every event, and the screen
            before it into each `ScreenView`.
        screen_engagement_autotracking: track a `ScreenEnd` before each `ScreenView` but the first,
            with a summary of what happened on the screen.
        lifecycle_autotracking: track `Background` and `Foreground` when the app reports them by
            `Tracker.enter_background` and `Tracker.enter_foreground`, and put on every event
            whether the app is visible.
        deep_link_context: put the link of a `DeepLinkReceived` on the next `ScreenView`. None: not
            said, as above; on for a new one.
        geo_location_context: put the place that the subject names on every event, while the user
            is not anonymous (leak L18).
        exception_autotracking: track an `ApplicationError` for each exception that nobody catches,
            before the process can end of it; see `whiteout.tracker.exceptions`. None: not said, as
            above; on for a new one.
        diagnostic_autotracking: track a `TrackerError` for what the tracker itself warns of; at
            most twelve an hour.
        error_messages_while_anonymous: leave the messages of errors as they are under user
            anonymity, where they are hidden otherwise (leak L28). Say so only if no message of the
            app, or of what it uses, ever quotes what a user did.
        install_autotracking: track an `Install` event at the first start of this installation, once
            for each namespace. None: not said, as above; on for a new one.
        install_referrer: asked at that start alone, in `create_tracker`, for the entity of an
            `InstallReferrer` to put on the event; None: there is nobody to ask.
        tracker_version_suffix: added to `tv`, letters, digits, dots and dashes.
        identifying_properties: properties of the app's own schemas that the gate masks; made with
            `whiteout.identifying_property`. None: not said, which keeps those that the namespace
            had before in this process.
        privacy_profile: how much an event of an anonymous user may tell. None: not said, which
            keeps the stricter of what the namespace had before, and is `STANDARD` for a new one.
        anonymous_session_lifetime: seconds, up to 86,400, after which a session of an anonymous
            user ends, however active; the next one starts from nothing: neither counts on nor names
            the one before, and shares no request with it (leak L37). 0: each event is a session of
            its own. None: not said, which keeps the shorter of what the namespace had before, and
            is no limit for a new one.
        safe_properties: what passes of the app's own schemas under the strict profile.
        strict_url_parameters: query keys that URLs keep under the strict profile. None: not said,
            which keeps the fewer of what the namespace had before in this process and
            `utm_source`, `utm_medium` and `utm_campaign`.
    """

    app_id: str | None = None
    device_platform: DevicePlatform | None = None
    base64_encoding: bool = True
    user_anonymisation: bool | None = None
    session_context: bool | None = None
    before_consent: Anonymisation | None = None
    platform_context: bool | None = None
    platform_context_properties: Collection[PlatformProperty] | None = None
    platform_context_retriever: PlatformContextRetriever | None = None
    application_context: bool | None = None
    application_version: str | None = None
    application_build: str | None = None
    screen_context: bool = True
    screen_engagement_autotracking: bool = True
    lifecycle_autotracking: bool = True
    deep_link_context: bool | None = None
    geo_location_context: bool = False
    exception_autotracking: bool | None = None
    diagnostic_autotracking: bool = False
    error_messages_while_anonymous: bool = False
    install_autotracking: bool | None = None
    install_referrer: Callable[[], SelfDescribingJson | None] | None = None
    tracker_version_suffix: str | None = None
    identifying_properties: tuple[Identifier, ...] | None = None
    privacy_profile: PrivacyProfile | None = None
    anonymous_session_lifetime: float | None = None
    safe_properties: tuple[SafeProperties, ...] = ()
    strict_url_parameters: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _text("app_id", self.app_id, 255)
        _text("application_version", self.application_version, 255)
        _text("application_build", self.application_build, 255)
        _text("tracker_version_suffix", self.tracker_version_suffix, 64)
        _instance("device_platform", self.device_platform, DevicePlatform)
        for name in (
            "base64_encoding",
            "screen_context",
            "screen_engagement_autotracking",
            "lifecycle_autotracking",
            "geo_location_context",
            "diagnostic_autotracking",
            "error_messages_while_anonymous",
        ):
            _flag(name, getattr(self, name))
        _level("before_consent", self.before_consent)
        _function("install_referrer", self.install_referrer)
        for name in (
            "user_anonymisation",
            "session_context",
            "platform_context",
            "application_context",
            "deep_link_context",
            "exception_autotracking",
            "install_autotracking",
        ):
            if getattr(self, name) is not None:
                _flag(name, getattr(self, name))
        if self.platform_context_properties is not None:
            properties = _platform_properties(self.platform_context_properties)
            object.__setattr__(self, "platform_context_properties", properties)
        _platform_retriever(self.platform_context_retriever)
        _instance("privacy_profile", self.privacy_profile, PrivacyProfile)
        if self.anonymous_session_lifetime is not None:
            _between(
                "anonymous_session_lifetime", self.anonymous_session_lifetime, 0, 86_400, "seconds"
            )
        for mark in _tuple("safe_properties", self.safe_properties):
            if not isinstance(mark, SafeProperties):
                raise ConfigurationError(
                    f"safe_properties must hold SafeProperties, got a {type(mark).__name__}"
                )
        if self.identifying_properties is not None:
            _tuple("identifying_properties", self.identifying_properties)
        for key in _tuple("strict_url_parameters", self.strict_url_parameters or ()):
            if not isinstance(key, str) or not _QUERY_KEY.fullmatch(key):
                raise ConfigurationError(
                    f"strict_url_parameters must hold query keys such as utm_source, got {key!r}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfiguration:
    """Where events go.

    Attributes:
        endpoint: the collector's address; `https://` is put in front where no scheme is given.
        method: POST (many events a request) or GET (one).
        custom_post_path: instead of `com.snowplowanalytics.snowplow/tp2`.
        timeout: seconds for one request, connecting included; 1 to 300, default 30.
        request_headers: more headers. Anonymous requests leave them out: they may carry a token
            that identifies the user (leak L13).
        network_connection: another sender than the built-in one. It is given whole requests, with
            `SP-Anonymous` among the headers, and must declare that it sends those (leak L11).
    """

    endpoint: str
    method: HttpMethod = HttpMethod.POST
    custom_post_path: str | None = None
    timeout: float = 30.0
    request_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    network_connection: NetworkConnection | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", _endpoint(self.endpoint))
        _instance("method", self.method, HttpMethod, is_required=True)
        _between("timeout", self.timeout, 1, 300, "seconds")
        _text("custom_post_path", self.custom_post_path, 1000)
        if self.custom_post_path is not None and not _PATH.fullmatch(self.custom_post_path):
            raise ConfigurationError(
                f"custom_post_path must be a URL path such as com.acme/track, "
                f"got {self.custom_post_path!r}"
            )
        _mapping("request_headers", self.request_headers)
        for name, value in self.request_headers.items():
            _header(name, value)
        object.__setattr__(self, "request_headers", dict(self.request_headers))
        connection = self.network_connection
        if connection is not None and getattr(connection, "sends_headers", False) is not True:
            raise ConfigurationError(
                "network_connection must declare sends_headers = True: it has to send the headers "
                "of a request as they are, SP-Anonymous among them"
            )

    @property
    def post_url(self) -> str:
        """The URL of POST requests."""
        path = self.custom_post_path or "com.snowplowanalytics.snowplow/tp2"
        return f"{self.endpoint}/{path.strip('/')}"

    @property
    def get_url(self) -> str:
        """The URL of GET requests, without the query."""
        return f"{self.endpoint}/i"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitterConfiguration:
    """How events are kept and sent.

    Attributes:
        buffer_option: events that must wait before a request is made; default 1.
        emit_range: events read from the store a round, 1 to 1000; default 200 (native: 25;
            what a request costs is shared by fewer events then).
        byte_limit_post: bytes of a POST body; default 500,000 (native: 40,000), half of what
            collectors take.
        byte_limit_get: bytes of an event sent by GET; default 40,000.
        request_callback: called after each round with the numbers of events sent and failed.
        custom_retry_for_status_codes: HTTP status to retry (True) or drop (False).
        server_anonymisation: send `SP-Anonymous`. None: not said, as in `TrackerConfiguration`.
        retry_failed_requests: False drops the events of any failed request.
        max_event_store_size: events; default 100,000 (native: 1,000, which loses a burst). The
            oldest go first, counted.
        max_event_store_age: seconds; default 30 days.
        storage_dir: the folder for the event store and the session; by default the user's data
            folder. One folder may serve any number of namespaces and processes.
    """

    buffer_option: BufferOption = BufferOption.SINGLE
    emit_range: int = 200
    byte_limit_post: int = 500_000
    byte_limit_get: int = 40_000
    request_callback: Callable[[int, int], None] | None = None
    custom_retry_for_status_codes: Mapping[int, bool] = field(default_factory=dict)
    server_anonymisation: bool | None = None
    retry_failed_requests: bool = True
    max_event_store_size: int = 100_000
    max_event_store_age: float = 30 * 86_400.0
    storage_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        _instance("buffer_option", self.buffer_option, BufferOption, is_required=True)
        _between("emit_range", self.emit_range, 1, 1000, "events")
        _between("byte_limit_post", self.byte_limit_post, 1, 10_000_000, "bytes")
        _between("byte_limit_get", self.byte_limit_get, 1, 10_000_000, "bytes")
        _between("max_event_store_size", self.max_event_store_size, 1, 10_000_000, "events")
        _between("max_event_store_age", self.max_event_store_age, 1, 10 * 365 * 86_400, "seconds")
        _flag("retry_failed_requests", self.retry_failed_requests)
        _callback("request_callback", self.request_callback)
        if self.server_anonymisation is not None:
            _flag("server_anonymisation", self.server_anonymisation)
        _mapping("custom_retry_for_status_codes", self.custom_retry_for_status_codes)
        for status, retry in self.custom_retry_for_status_codes.items():
            if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:  # noqa: PLR2004 - HTTP's range
                raise ConfigurationError(
                    f"custom_retry_for_status_codes must map statuses 100 to 599, got {status!r}"
                )
            _flag(f"custom_retry_for_status_codes[{status}]", retry)
        object.__setattr__(
            self, "custom_retry_for_status_codes", dict(self.custom_retry_for_status_codes)
        )
        if self.storage_dir is not None and not isinstance(self.storage_dir, (str, os.PathLike)):
            raise ConfigurationError(
                f"storage_dir must be a path, got {type(self.storage_dir).__name__}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfiguration:
    """When a session ends.

    Attributes:
        foreground_timeout: seconds without an event; up to 86,400, default 1800.
        background_timeout: the same while the app is in the background.
        continue_session_on_restart: go on with the stored session when the app starts within
            `foreground_timeout` of its last event.
        on_session_update: called once for each new session, on a background thread, with a frozen
            copy masked as the level asks (leak L29).
        identity_group: trackers that name the same group, and have the same `storage_dir`, share
            the installation's id (`userId` of the session entity), and nothing else; at most 128
            characters. None: the namespace has an id of its own (leak L33).
    """

    foreground_timeout: float = 1800
    background_timeout: float = 1800
    continue_session_on_restart: bool = False
    on_session_update: Callable[[SessionState], None] | None = None
    identity_group: str | None = None

    def __post_init__(self) -> None:
        _between("foreground_timeout", self.foreground_timeout, 0.001, 86_400, "seconds")
        _between("background_timeout", self.background_timeout, 0.001, 86_400, "seconds")
        _flag("continue_session_on_restart", self.continue_session_on_restart)
        _callback("on_session_update", self.on_session_update)
        _text("identity_group", self.identity_group, 128)
        if self.identity_group == "":
            raise ConfigurationError("identity_group must be text of 1 to 128 characters, got ''")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectConfiguration:
    """What the app says of its user and device; all of it can be changed through `tracker.subject`.

    The first four identify the user and never leave while `user_anonymisation` is on.

    Attributes:
        user_id: `uid`.
        network_user_id: `tnuid`; beats the collector's cookie.
        domain_user_id: `duid`.
        ip_address: `ip`; beats the address the collector sees.
        user_agent: `ua`.
        timezone: `tz`; by default the system's, such as `Europe/London`.
        language: `lang`; by default the system's, as a tag such as `en-GB`.
        screen_resolution: `res`, `1920x1080`.
        screen_view_port: `vp`, the same form.
        color_depth: `cd`, bits.
        geo_latitude: degrees, -90 to 90. Of the place that `geo_location_context` sends, as are
            the rest; there is one where latitude and longitude are given.
        geo_longitude: degrees, -180 to 180.
        geo_latitude_longitude_accuracy: metres.
        geo_altitude: metres.
        geo_altitude_accuracy: metres.
        geo_bearing: degrees.
        geo_speed: metres a second.
        geo_timestamp: when it was measured, Unix epoch milliseconds.
    """

    user_id: str | None = field(default=None, repr=False)
    network_user_id: str | None = field(default=None, repr=False)
    domain_user_id: str | None = field(default=None, repr=False)
    ip_address: str | None = field(default=None, repr=False)
    user_agent: str | None = None
    timezone: str | None = None
    language: str | None = None
    screen_resolution: str | None = None
    screen_view_port: str | None = None
    color_depth: int | None = None
    geo_latitude: float | None = field(default=None, repr=False)
    geo_longitude: float | None = field(default=None, repr=False)
    geo_latitude_longitude_accuracy: float | None = field(default=None, repr=False)
    geo_altitude: float | None = field(default=None, repr=False)
    geo_altitude_accuracy: float | None = field(default=None, repr=False)
    geo_bearing: float | None = field(default=None, repr=False)
    geo_speed: float | None = field(default=None, repr=False)
    geo_timestamp: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, limit in SUBJECT_LIMITS.items():
            _text(name, getattr(self, name), limit)
        check_size("screen_resolution", self.screen_resolution)
        check_size("screen_view_port", self.screen_view_port)
        check_color_depth(self.color_depth)
        for name in GEOLOCATION:
            check_geolocation(name, getattr(self, name))


SUBJECT_LIMITS = {
    "user_id": 255,
    "network_user_id": 128,
    "domain_user_id": 128,
    "ip_address": 128,
    "user_agent": 1000,
    "timezone": 255,
    "language": 255,
}
"""Characters that the atomic columns hold (reference, pipeline 2.6)."""


GEOLOCATION = (
    "geo_latitude",
    "geo_longitude",
    "geo_latitude_longitude_accuracy",
    "geo_altitude",
    "geo_altitude_accuracy",
    "geo_bearing",
    "geo_speed",
    "geo_timestamp",
)
"""What the subject says of a place; the entity's properties with `geo_` in front."""

_DEGREES = {"geo_latitude": 90, "geo_longitude": 180}


def check_geolocation(name: str, value: object) -> None:
    """Refuse what is neither None nor a number that a place can have. Never says which it was."""
    if value is None:
        return
    if name == "geo_timestamp":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigurationError(
                f"{name} must be whole milliseconds, got {type(value).__name__}"
            )
        return
    limit = _DEGREES.get(name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if limit is not None and not (is_number and -limit <= value <= limit):  # type: ignore[operator] # a number
        raise ConfigurationError(f"{name} must be a number from -{limit} to {limit}")
    if not is_number or not math.isfinite(value):  # type: ignore[arg-type] # a number
        raise ConfigurationError(f"{name} must be a number, got {type(value).__name__}")


def check_size(name: str, value: str | None) -> None:
    """Refuse what is not `WIDTHxHEIGHT`."""
    if value is not None and not (isinstance(value, str) and _SIZE.fullmatch(value)):
        raise ConfigurationError(f"{name} must look like 1920x1080, got {value!r}")


def check_color_depth(value: int | None) -> None:
    """Refuse what is neither None nor 1 to 128 bits."""
    if value is not None:
        _between("color_depth", value, 1, 128, "bits")


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    _flag(name, value)


def check_text(name: str, value: object, limit: int) -> None:
    """Refuse what is neither None nor text of at most `limit` characters."""
    _text(name, value, limit)


def _text(name: str, value: object, limit: int) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, got {type(value).__name__}")
    if len(value) > limit:
        raise ConfigurationError(f"{name} must be at most {limit} characters, got {len(value)}")


def _level(name: str, value: object) -> None:
    if value is not None and not isinstance(value, Anonymisation):
        raise ConfigurationError(
            f"{name} must be an Anonymisation such as Anonymisation.FULL, got {value!r}"
        )


def _function(name: str, value: object) -> None:
    if value is not None and not callable(value):
        raise ConfigurationError(f"{name} must be a function, got {type(value).__name__}")


def _flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}")


def _tuple(name: str, value: object) -> tuple[object, ...]:
    if not isinstance(value, tuple):
        raise ConfigurationError(f"{name} must be a tuple, got a {type(value).__name__}")
    return value


def _instance(
    name: str, value: object, kind: type[enum.Enum], *, is_required: bool = False
) -> None:
    if (is_required or value is not None) and not isinstance(value, kind):
        choices = ", ".join(f"{kind.__name__}.{member.name}" for member in kind)
        raise ConfigurationError(f"{name} must be one of {choices}, got {value!r}")


def _between(name: str, value: _Number, low: float, high: float, unit: str) -> None:
    """Refuse what is no number in the range; a range of events, bytes or bits has whole numbers."""
    kinds = (int, float) if unit == "seconds" else int
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ConfigurationError(f"{name} must be {low} to {high} {unit}, got {value!r}")


def _mapping(name: str, value: object) -> None:
    if not isinstance(value, abc.Mapping):
        raise ConfigurationError(f"{name} must be a mapping, got {type(value).__name__}")


def _callback(name: str, value: object) -> None:
    if value is not None and not callable(value):
        raise ConfigurationError(f"{name} must be a callback or None, got {type(value).__name__}")


def _platform_properties(value: object) -> tuple[PlatformProperty, ...]:
    from whiteout.tracker.platform_properties import PlatformProperty  # noqa: PLC0415 - seldom

    try:
        chosen = {PlatformProperty(name) for name in value}  # type: ignore[attr-defined] # it raises
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            "platform_context_properties must be a collection of PlatformProperty, "
            f"of which there are {', '.join(PlatformProperty)}"
        ) from error
    return tuple(name for name in PlatformProperty if name in chosen)


def _platform_retriever(value: object) -> None:
    if value is None:
        return
    from whiteout.tracker.platform_properties import (  # noqa: PLC0415 - seldom
        PlatformContextRetriever,
    )

    if not isinstance(value, PlatformContextRetriever):
        raise ConfigurationError(
            f"platform_context_retriever must be a PlatformContextRetriever or None, "
            f"got {type(value).__name__}"
        )


def _endpoint(value: object) -> str:
    if not isinstance(value, str) or value.strip("/ ").lower() in {"", "http:", "https:"}:
        raise ConfigurationError(
            f"endpoint must be a URL such as https://collector.example.com, got {value!r}"
        )
    text = value.strip().strip("/")
    if not text.lower().startswith(("http://", "https://")):
        text = f"https://{text}"
    scheme, _, rest = text.partition("://")
    authority = rest.partition("/")[0]
    if not authority or any(c.isspace() or c in "?#@" or ord(c) < 32 for c in rest):  # noqa: PLR2004 - control characters
        raise ConfigurationError(
            "endpoint must be a URL such as https://collector.example.com, without user name, "
            "query or fragment"
        )
    return f"{scheme.lower()}://{rest}"


def _header(name: object, value: object) -> None:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise ConfigurationError(f"request_headers: {name!r} is not a header name")
    if name.lower() in _RESERVED_HEADERS:
        raise ConfigurationError(f"request_headers: {name} is set by the tracker itself")
    if not isinstance(value, str) or any(ord(c) < 32 and c != "\t" for c in value):  # noqa: PLR2004 - control characters
        raise ConfigurationError(f"request_headers: the value of {name} is not one line of text")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"request_headers: the value of {name} has characters that a header cannot carry"
        ) from error
