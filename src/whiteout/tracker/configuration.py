"""What an app configures. Frozen, keyword-only, checked when made.

Names and defaults are the native trackers' in snake_case (reference section 2) unless a docstring
says why not. An option stands here only if it does something.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError
from whiteout.strict.profile import PrivacyProfile, SafeProperties
from whiteout.tracker.checks import (
    GEOLOCATION,
    SUBJECT_LIMITS,
    check_between,
    check_callback,
    check_color_depth,
    check_flag,
    check_geolocation,
    check_header,
    check_level,
    check_mapping,
    check_marks,
    check_member,
    check_path,
    check_platform_retriever,
    check_query_keys,
    check_size,
    check_text,
    check_tuple,
    normal_endpoint,
    platform_properties,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from whiteout.identifiers import Anonymisation, Identifier
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.tracker.network import NetworkConnection
    from whiteout.tracker.platform import PlatformContextRetriever, PlatformProperty
    from whiteout.tracker.session import SessionState


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


_TEN_YEARS = 10 * 365 * 86_400

_SWITCHES = (
    "base64_encoding",
    "geo_location_context",
    "diagnostic_autotracking",
    "error_messages_while_anonymous",
)
_KEPT_SWITCHES = (
    "user_anonymisation",
    "session_context",
    "platform_context",
    "application_context",
    "screen_context",
    "screen_engagement_autotracking",
    "lifecycle_autotracking",
    "deep_link_context",
    "exception_autotracking",
    "install_autotracking",
)
"""A tracker that is made again keeps what was said of these (leak L34)."""


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
            before it into each `ScreenView`. None: not said, as above; on for a new one.
        screen_engagement_autotracking: track a `ScreenEnd` before each `ScreenView` but the first,
            with a summary of what happened on the screen. None: not said, as above; on for a new
            one.
        lifecycle_autotracking: track `Background` and `Foreground` when the app reports them by
            `Tracker.enter_background` and `Tracker.enter_foreground`, and put on every event
            whether the app is visible. None: not said, as above; on for a new one.
        deep_link_context: put the link of a `DeepLinkReceived` on the next `ScreenView`. None: not
            said, as above; on for a new one.
        geo_location_context: put the place that the subject names on every event, while the user
            is not anonymous (leak L18).
        exception_autotracking: track an `ApplicationError` for each exception that nobody catches,
            before the process can end of it. None: not said, as above; on for a new one.
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
        privacy_profile: how much an anonymous event may tell. None: not said, which
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
    screen_context: bool | None = None
    screen_engagement_autotracking: bool | None = None
    lifecycle_autotracking: bool | None = None
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
        check_text("app_id", self.app_id, 255)
        check_text("application_version", self.application_version, 255)
        check_text("application_build", self.application_build, 255)
        check_text("tracker_version_suffix", self.tracker_version_suffix, 64)
        check_member("device_platform", self.device_platform, DevicePlatform)
        for name in _SWITCHES:
            check_flag(name, getattr(self, name))
        check_level("before_consent", self.before_consent)
        check_callback("install_referrer", self.install_referrer)
        for name in _KEPT_SWITCHES:
            if getattr(self, name) is not None:
                check_flag(name, getattr(self, name))
        if self.platform_context_properties is not None:
            properties = platform_properties(self.platform_context_properties)
            object.__setattr__(self, "platform_context_properties", properties)
        check_platform_retriever(self.platform_context_retriever)
        check_member("privacy_profile", self.privacy_profile, PrivacyProfile)
        if self.anonymous_session_lifetime is not None:
            check_between(
                "anonymous_session_lifetime", self.anonymous_session_lifetime, 0, 86_400, "seconds"
            )
        check_marks("safe_properties", self.safe_properties, SafeProperties)
        if self.identifying_properties is not None:
            check_tuple("identifying_properties", self.identifying_properties)
        check_query_keys("strict_url_parameters", self.strict_url_parameters or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfiguration:
    """Where events go.

    Attributes:
        endpoint: the collector's address; `https://` is put in front where no scheme is given.
        method: POST (many events a request) or GET (one; by POST where the URL would be too long).
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
        object.__setattr__(self, "endpoint", normal_endpoint(self.endpoint))
        check_member("method", self.method, HttpMethod, is_required=True)
        check_between("timeout", self.timeout, 1, 300, "seconds")
        check_path("custom_post_path", self.custom_post_path)
        check_mapping("request_headers", self.request_headers)
        for name, value in self.request_headers.items():
            check_header(name, value)
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
        custom_retry_for_status_codes: HTTP status, 300 to 599, to retry (True) or drop (False).
        server_anonymisation: send `SP-Anonymous`. None: not said, as in `TrackerConfiguration`.
        retry_failed_requests: False drops the events of any failed request.
        max_event_store_size: events; default 100,000 (native: 1,000, which loses a burst). The
            oldest go first, counted.
        max_event_store_age: seconds; default 30 days.
        storage_dir: the folder for the event store and the session; by default that of the
            environment variable `WHITEOUT_TRACKER_FOLDER`, else the user's data folder. One folder
            may serve any number of namespaces and processes.
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
        check_member("buffer_option", self.buffer_option, BufferOption, is_required=True)
        check_between("emit_range", self.emit_range, 1, 1000, "events")
        check_between("byte_limit_post", self.byte_limit_post, 1, 10_000_000, "bytes")
        check_between("byte_limit_get", self.byte_limit_get, 1, 10_000_000, "bytes")
        check_between("max_event_store_size", self.max_event_store_size, 1, 10_000_000, "events")
        check_between(
            "max_event_store_age", self.max_event_store_age, 1, 10 * 365 * 86_400, "seconds"
        )
        check_flag("retry_failed_requests", self.retry_failed_requests)
        check_callback("request_callback", self.request_callback)
        if self.server_anonymisation is not None:
            check_flag("server_anonymisation", self.server_anonymisation)
        check_mapping("custom_retry_for_status_codes", self.custom_retry_for_status_codes)
        for status, retry in self.custom_retry_for_status_codes.items():
            if isinstance(status, bool) or not isinstance(status, int) or not 300 <= status <= 599:  # noqa: PLR2004 - HTTP's errors
                raise ConfigurationError(
                    f"custom_retry_for_status_codes must map statuses 300 to 599, got {status!r}"
                )
            check_flag(f"custom_retry_for_status_codes[{status}]", retry)
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
        check_between("foreground_timeout", self.foreground_timeout, 0.001, 86_400, "seconds")
        check_between("background_timeout", self.background_timeout, 0.001, 86_400, "seconds")
        check_flag("continue_session_on_restart", self.continue_session_on_restart)
        check_callback("on_session_update", self.on_session_update)
        check_text("identity_group", self.identity_group, 128)
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
        timezone: `tz`; by default the system's, such as `Europe/London`, where it has such a name:
            Windows has not.
        language: `lang`; by default the system's, as a tag such as `en-GB`, where it says so to
            programs: macOS only to those started from a terminal.
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
            check_text(name, getattr(self, name), limit)
        check_size("screen_resolution", self.screen_resolution)
        check_size("screen_view_port", self.screen_view_port)
        check_color_depth(self.color_depth)
        for name in GEOLOCATION:
            check_geolocation(name, getattr(self, name))
