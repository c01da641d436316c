"""The collector's settings: checked when they are made, immutable afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - the loader of settings reads the hints
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Literal

from whiteout.errors import ConfigurationError

SameSite = Literal["None", "Lax", "Strict"]
ForwardedHeader = Literal["X-Forwarded-For", "Forwarded"]

_MAX_TIME_STEP_S = 60 * 60
_YEAR_S = 365 * 24 * 60 * 60
_COOKIE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PATH = re.compile(r"/[^/?#\s]+/[^/?#\s]+")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_PARAMETER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}: [\x20-\x7e]*")
_PAGE = re.compile(r"/[A-Za-z0-9_.-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REDIRECT = "/r/"
_TAKEN = frozenset({"/i", "/ice.png", "/health", "/sink-health", "/robots.txt", "/crossdomain.xml"})
_TP2 = "/com.snowplowanalytics.snowplow/tp2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may cost. Breaking one is answered and the connection closed.

    Attributes:
        connections: at once; further ones are answered 503. With TLS as many more may be in their
            handshake; further ones are closed.
        request_line_bytes: of method, target and version; 400 beyond.
        header_bytes: of all names and values; 400 beyond.
        header_count: 400 beyond.
        body_bytes: 413 beyond, nothing stored.
        head_timeout_s: from the first byte of a request to the end of its headers; 408.
        body_timeout_s: from there to the end of its body; 408.
        idle_timeout_s: between requests, and for a client that does not read its answers; closed.
        pipelined: requests of one connection that are being answered; reading waits beyond.
        pending_bytes: records that wait for the log; 503 beyond.
        log_bytes: that the log may keep while the lake cannot be written; 503 beyond, until some
            of it is loaded. None: no bound. Kafka has its own.
        free_bytes: of the log's disk, which are left to others, the lake among them; 503 below.
            0: nobody looks.
        drain_s: for answers in flight when the collector is stopped.
        notice_s: from the signal to stop until no more connections are accepted. `/health` says
            503 meanwhile, so that a load balancer goes elsewhere; 0: at once. The official
            `preTerminationPeriod`.

    Defaults: the official collector's (reference section 1.10), with a shorter idle time.
    """

    connections: int = 1024
    request_line_bytes: int = 20_480
    header_bytes: int = 40_960
    header_count: int = 100
    body_bytes: int = 2_097_152
    head_timeout_s: float = 30.0
    body_timeout_s: float = 25.0
    idle_timeout_s: float = 75.0
    pipelined: int = 16
    pending_bytes: int = 64 * 1024 * 1024
    log_bytes: int | None = 8 * 1024 * 1024 * 1024
    free_bytes: int = 256 * 1024 * 1024
    drain_s: float = 10.0
    notice_s: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name in ("notice_s", "free_bytes"):
                if not value >= 0:
                    raise ConfigurationError(f"{name} must be 0 or more, got {value!r}")
            elif value is not None and not value > 0:
                raise ConfigurationError(f"{name} must be more than 0, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieBounce:
    """A test whether a browser keeps cookies, before its first event is stored (W16).

    A pixel's request without an id is answered 302 to itself, with a cookie and a parameter added.
    A browser that does not follow loses the event; one that follows without the cookie has it
    stored under an id that all of its kind share, and that is never set as a cookie.

    Attributes:
        name: of the parameter.
        fallback_network_user_id: the shared id, a UUID.
    """

    name: str = "n3pc"
    fallback_network_user_id: str = "00000000-0000-4000-a000-000000000000"

    def __post_init__(self) -> None:
        if not _PARAMETER.fullmatch(self.name):
            raise ConfigurationError(
                f"cookie_bounce.name must be letters, digits, '_' or '-', got {self.name!r}"
            )
        if not _UUID.fullmatch(self.fallback_network_user_id):
            raise ConfigurationError(
                "cookie_bounce.fallback_network_user_id must be a UUID,"
                f" got {self.fallback_network_user_id!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RootResponse:
    """The answer to `GET /`.

    Attributes:
        status: 200, 301, 302, 303, 307, 308 or 404.
        headers: lines such as `Location: https://example.com/`.
        body: text.
    """

    status: int = 302
    headers: tuple[str, ...] = ()
    body: str = ""

    def __post_init__(self) -> None:
        if self.status not in ROOT_STATUSES:
            raise ConfigurationError(
                f"root_response.status must be one of {sorted(ROOT_STATUSES)}, got {self.status!r}"
            )
        for line in self.headers:
            if not _HEADER.fullmatch(line):
                raise ConfigurationError(
                    f"root_response.headers must look like 'Name: value', got {line!r}"
                )


ROOT_STATUSES = frozenset({200, 301, 302, 303, 307, 308, 404})


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossDomain:
    """The policy that Flash asked for at `/crossdomain.xml`.

    Attributes:
        domains: that may send; `*` and `*.example.com` are allowed.
        secure: whether only from HTTPS.
    """

    domains: tuple[str, ...] = ("*",)
    secure: bool = True

    def __post_init__(self) -> None:
        for domain in self.domains:
            if domain != "*" and not _DOMAIN.fullmatch(domain.removeprefix("*.")):
                raise ConfigurationError(
                    f"cross_domain.domains must be host names, '*.host' or '*', got {domain!r}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificate and key, read again when they change and on SIGHUP.

    Attributes:
        certificate: PEM file, with the chain.
        key: PEM file; None: it is in the certificate's.
    """

    certificate: str
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings:
    """How the collector answers. Names and defaults are the official collector's (section 1.4).

    Attributes:
        cookie_enabled: whether the cookie is set; without it an identified request that brings
            no id has a fresh one.
        cookie_name: of the network user id's cookie.
        cookie_expiration_s: from each answer on.
        cookie_domains: the first one that the request's `Origin` belongs to is named in the
            cookie.
        cookie_fallback_domain: named where none of them is; None: the collector's own host.
        cookie_secure: always on where `cookie_same_site` is `None` (the text), as browsers ask.
        cookie_http_only: scripts cannot read the cookie.
        cookie_same_site: None leaves the attribute out.
        client_cookie_name: of a second cookie with the same value, that scripts can read.
        do_not_track_cookie: name and value (a regular expression that must match all of it) of
            a cookie whose requests are answered but not stored.
        stored_cookies: names of further cookies that go into records, for enrich to extract; all
            others stay out.
        cookie_bounce: None: browsers are not tested for cookies.
        honour_global_privacy_control: treat `Sec-GPC: 1` as `SP-Anonymous`.
        keep_tracker_identifiers: let the `ip` and `tnuid` pass that the tracker of an anonymous
            request sets itself (L15); enrich must be told too, by its `keepTrackerIdentifiers`.
        anonymous_time_step_s: the records of anonymous requests tell the time in such steps, so
            that what came together is not known by it (W23). It is `collector_tstamp`'s alone: when
            a row was loaded, `load_tstamp` tells all the same.
        anonymous_parameter: of the query; it asks for what the header `SP-Anonymous` does, where no
            header can be set: in pixels, links and beacons. Any value counts. None: no such
            parameter.
        trusted_proxies: how many proxies stand in front. Each appends the address it saw to
            `forwarded_header`: the client is that many elements from the right. 0 ignores the
            header, which anyone can send.
        trusted_networks: of the proxies, such as `10.0.0.0/8`. Whoever connects from elsewhere is
            the client, whatever it sends. Empty: any peer is taken for a proxy.
        forwarded_header: that the proxies append to; the other is not read.
        cors_origins: whose pages may send, such as `https://example.com`; empty: all.
        paths: request path to the path stored instead; both `/vendor/version`. One that leads to
            `/r/tp2` redirects.
        redirect_domains: hosts that a redirect may lead to, exactly; empty: there are no redirects.
        default_redirect: whether `/r/…` redirects too, not only `paths` that lead there.
        root_response: to `GET /`; None: 404.
        cross_domain: the policy at `/crossdomain.xml`; None: 404.
        metrics_path: where counters are shown to Prometheus, such as `/metrics`; None: nowhere.
        tls: None: plain HTTP.
        max_bytes: of one record; a larger POST is split.
        max_payload_bytes: of one request's record before splitting.
        cors_max_age_s: how long browsers may keep a preflight's answer.
        hsts_max_age_s: sends `Strict-Transport-Security` where set.
        limits: what one client may cost.
    """

    cookie_enabled: bool = True
    cookie_name: str = "sp"
    cookie_expiration_s: int = _YEAR_S
    cookie_domains: tuple[str, ...] = ()
    cookie_fallback_domain: str | None = None
    cookie_secure: bool = True
    cookie_http_only: bool = True
    cookie_same_site: SameSite | None = "None"
    client_cookie_name: str | None = None
    do_not_track_cookie: tuple[str, str] | None = None
    stored_cookies: tuple[str, ...] = ()
    cookie_bounce: CookieBounce | None = None
    honour_global_privacy_control: bool = False
    keep_tracker_identifiers: bool = False
    anonymous_time_step_s: int = 1
    anonymous_parameter: str | None = "sp-anonymous"
    trusted_proxies: int = 0
    trusted_networks: tuple[str, ...] = ()
    forwarded_header: ForwardedHeader = "X-Forwarded-For"
    cors_origins: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    redirect_domains: tuple[str, ...] = ()
    default_redirect: bool = False
    root_response: RootResponse | None = None
    cross_domain: CrossDomain | None = None
    metrics_path: str | None = None
    tls: Tls | None = None
    max_bytes: int = 1_000_000
    max_payload_bytes: int = 1_048_576
    cors_max_age_s: int = 3600
    hsts_max_age_s: int | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self._check_cookies()
        if self.cookie_same_site not in (None, "None", "Lax", "Strict"):
            raise ConfigurationError(
                f"cookie_same_site must be 'None', 'Lax', 'Strict' or None,"
                f" got {self.cookie_same_site!r}"
            )
        for name, least in (
            ("cookie_expiration_s", 1),
            ("trusted_proxies", 0),
            ("max_bytes", 100),
            ("max_payload_bytes", 100),
            ("cors_max_age_s", 0),
            ("hsts_max_age_s", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigurationError(f"{name} must be {least} or more, got {value!r}")
        if not 1 <= self.anonymous_time_step_s <= _MAX_TIME_STEP_S:
            raise ConfigurationError(
                f"anonymous_time_step_s must be 1 to {_MAX_TIME_STEP_S} seconds,"
                f" got {self.anonymous_time_step_s!r}"
            )
        self._check_proxies()
        self._check_paths()
        self._check_names()

    def _check_proxies(self) -> None:
        if self.forwarded_header not in ("X-Forwarded-For", "Forwarded"):
            raise ConfigurationError(
                "forwarded_header must be 'X-Forwarded-For' or 'Forwarded',"
                f" got {self.forwarded_header!r}"
            )
        for network in self.trusted_networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ConfigurationError(
                    f"trusted_networks must look like 10.0.0.0/8, got {network!r}"
                ) from error
        if self.trusted_networks and not self.trusted_proxies:
            raise ConfigurationError("trusted_networks needs trusted_proxies of 1 or more, got 0")

    def _check_paths(self) -> None:
        if self.default_redirect and not self.redirect_domains:
            raise ConfigurationError(
                "default_redirect needs redirect_domains: the hosts that may be redirected to"
            )
        for domain in self.redirect_domains:
            if not _DOMAIN.fullmatch(domain):
                raise ConfigurationError(
                    f"redirect_domains must be host names such as example.com, got {domain!r}"
                )
        for path, stored in self.paths.items():
            for one in (path, stored):
                if not _PATH.fullmatch(one):
                    raise ConfigurationError(
                        f"paths must map '/vendor/version' to '/vendor/version', got {one!r}"
                    )
            if path.startswith(_REDIRECT):
                raise ConfigurationError(f"paths must not map /r/, see default_redirect: {path!r}")
            if stored.startswith(_REDIRECT) and (not self.redirect_domains or path == _TP2):
                raise ConfigurationError(
                    f"paths may map a path of your own to {stored!r} where redirect_domains names"
                    f" the hosts that may be redirected to, got {path!r}"
                )

    def _check_names(self) -> None:
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigurationError(
                    "cors_origins must look like https://example.com, in lower case,"
                    f" got {origin!r}"
                )
        parameter = self.anonymous_parameter
        if parameter is not None and not _PARAMETER.fullmatch(parameter):
            raise ConfigurationError(
                f"anonymous_parameter must be letters, digits, '_' or '-', got {parameter!r}"
            )
        path = self.metrics_path
        if path is not None and (not _PAGE.fullmatch(path) or path in _TAKEN):
            raise ConfigurationError(
                f"metrics_path must be one segment that is free, such as /metrics, got {path!r}"
            )

    def _check_cookies(self) -> None:
        names = {"cookie_name": self.cookie_name, "client_cookie_name": self.client_cookie_name}
        if self.do_not_track_cookie is not None:
            name, pattern = self.do_not_track_cookie
            names["do_not_track_cookie"] = name
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigurationError(
                    f"do_not_track_cookie must have a regular expression, got {pattern!r}: {error}"
                ) from error
        named = [*names.items(), *(("stored_cookies", name) for name in self.stored_cookies)]
        for setting, value in named:
            if value is not None and not _COOKIE_NAME.fullmatch(value):
                raise ConfigurationError(
                    f"{setting} must be 1 to 64 letters, digits, '_', '.' or '-', got {value!r}"
                )
        domains = [*self.cookie_domains, self.cookie_fallback_domain]
        for domain in domains:
            if domain is not None and not _DOMAIN.fullmatch(domain):
                raise ConfigurationError(
                    f"cookie domains must be host names such as example.com, got {domain!r}"
                )
