"""The collector's settings: checked when they are made, immutable afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SameSite = Literal["None", "Lax", "Strict"]

_YEAR_S = 365 * 24 * 60 * 60
_COOKIE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_PATH = re.compile(r"/[^/?#\s]+/[^/?#\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may cost. Breaking one is answered and the connection closed.

    Attributes:
        connections: at once; further ones are answered 503.
        request_line_bytes: of method, target and version; 400 beyond.
        header_bytes: of all names and values; 400 beyond.
        header_count: 400 beyond.
        body_bytes: 413 beyond, nothing stored.
        head_timeout_s: from the first byte of a request to the end of its headers; 408.
        body_timeout_s: from there to the end of its body; 408.
        idle_timeout_s: between requests, and for a client that does not read its answers; closed.
        pipelined: requests of one connection that are being answered; reading waits beyond.
        pending_bytes: records that wait for the log; 503 beyond.
        drain_s: for answers in flight when the collector is stopped.

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
    drain_s: float = 10.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not value > 0:
                raise ConfigurationError(f"{name} must be more than 0, got {value!r}")


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
        honour_global_privacy_control: treat `Sec-GPC: 1` as `SP-Anonymous`.
        trusted_proxies: how many proxies stand in front. Each appends the address it saw to
            `X-Forwarded-For`: the client is that many elements from the right. 0 ignores the
            header, which anyone can send.
        paths: request path to the path stored instead; both `/vendor/version`.
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
    honour_global_privacy_control: bool = False
    trusted_proxies: int = 0
    paths: Mapping[str, str] = field(default_factory=dict)
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
        for path in [*self.paths, *self.paths.values()]:
            if not _PATH.fullmatch(path) or path.startswith("/r/"):
                raise ConfigurationError(
                    f"paths must map '/vendor/version' to '/vendor/version', got {path!r};"
                    " redirects (/r/) are not supported"
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
        for setting, value in names.items():
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
