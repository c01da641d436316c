"""What an app says about its remote configuration."""

from __future__ import annotations

import enum
import ipaddress
import os
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import HttpMethod

_MAX_URL: Final = 2048
_FIRST_PRINTABLE: Final = 33
_LAST_PRINTABLE: Final = 126


class ConfigurationState(enum.Enum):
    """Where the configuration that was just applied comes from."""

    DEFAULT = "default"
    CACHED = "cached"
    FETCHED = "fetched"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteConfiguration:
    """Where the configuration file is, and what holds until it is known.

    Attributes:
        endpoint: the file's URL; `https://` is put in front where no scheme is given. Plain `http`
            only on this machine. The same for everybody: the request carries no identifier.
        method: GET; there is no other (the native trackers take POST and send GET).
        timeout: seconds for the whole fetch, 1 to 60; default 15, as on Android.
        before_fetch: the least anonymous level while nothing has ever been fetched. None: full
            anonymity, with the other options of privacy, but for the profile, at their most
            private. A level: at least that, with the other options as the default bundle says
            (leak L27a).
        storage_dir: the folder for the cache; by default the user's data folder.
    """

    endpoint: str = field(repr=False)
    method: HttpMethod = HttpMethod.GET
    timeout: float = 15.0
    before_fetch: Anonymisation | None = None
    storage_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", _endpoint(self.endpoint))
        if self.method is not HttpMethod.GET:
            raise ConfigurationError(
                f"method must be HttpMethod.GET: a configuration is only ever fetched, "
                f"got {self.method!r}"
            )
        is_number = isinstance(self.timeout, (int, float)) and not isinstance(self.timeout, bool)
        if not is_number or not 1 <= self.timeout <= 60:  # noqa: PLR2004 - said in the message
            raise ConfigurationError(f"timeout must be 1 to 60 seconds, got {self.timeout!r}")
        if self.before_fetch is not None and not isinstance(self.before_fetch, Anonymisation):
            raise ConfigurationError(
                f"before_fetch must be an Anonymisation or None, got {self.before_fetch!r}"
            )
        if self.storage_dir is not None and not isinstance(self.storage_dir, (str, os.PathLike)):
            raise ConfigurationError(
                f"storage_dir must be a path, got {type(self.storage_dir).__name__}"
            )


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, whatever the resolver says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _endpoint(value: object) -> str:
    wrong = ConfigurationError(  # the URL may hold a token: it is not repeated
        "endpoint must be the https URL of the configuration file, without user name or fragment, "
        "such as https://config.example.com/trackers.json; http only for localhost"
    )
    if not isinstance(value, str):
        raise wrong
    text = value.strip()
    if "://" not in text:
        text = f"https://{text}"
    if len(text) > _MAX_URL or any(not _FIRST_PRINTABLE <= ord(c) <= _LAST_PRINTABLE for c in text):
        raise wrong
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or "@" in parts.netloc or "#" in text or parts.scheme not in {"http", "https"}:
        raise wrong
    if parts.scheme == "http" and not is_loopback(host):
        raise wrong
    return text
