"""What commands do for the page: a private folder, a token where one is needed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOKEN = "WHITEOUT_PAGE_TOKEN"  # noqa: S105 - the name of a variable
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_NEEDED = ("starlette", "jinja2")
_LEAST_TOKEN = 16  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the page is served from, and who may see it.

    Attributes:
        socket: of the process that serves it.
        token: None where only this machine can ask.
    """

    socket: Path
    token: str | None

    def environment(self) -> dict[str, str]:
        """What the process that serves it is told besides its command line, which all can see."""
        return {} if self.token is None else {TOKEN: self.token}

    def url(self, scheme: str, host: str, port: int) -> str:
        """Where the page is, with what lets a browser in."""
        name = "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - a comparison
        place = f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/ui"
        return place if self.token is None else f"{place}?token={quote(self.token, safe='')}"


def missing() -> str | None:
    """What keeps the page from being served, in a sentence; None where nothing does."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        return "no page: it needs pip install 'whiteout[web]'"
    if not hasattr(socket, "AF_UNIX") or os.name == "nt":
        return "no page: it needs Unix sockets, which this system does not have"
    return None


def token_from(environment: Mapping[str, str]) -> str | None:
    """The token that was chosen.

    Raises:
        ConfigurationError: it is too short; the message does not show it.
    """
    token = environment.get(TOKEN)
    if token is not None and (len(token) < _LEAST_TOKEN or not token.isascii()):
        raise ConfigurationError(
            f"{TOKEN} must be {_LEAST_TOKEN} ASCII characters or more, got {len(token)}"
        )
    return token


def token_for(host: str, environment: Mapping[str, str]) -> str | None:
    """The token that was chosen; where none was, a new one, except on loopback.

    Raises:
        ConfigurationError: the one that was chosen is too short.
    """
    token = token_from(environment)
    if token is None and host not in _LOOPBACK:
        return secrets.token_urlsafe(24)
    return token


@contextlib.contextmanager
def page_for(host: str, environment: Mapping[str, str]) -> Iterator[Page]:
    """A page for a collector that listens on `host`.

    Raises:
        ConfigurationError: the token that was chosen is too short.
    """
    token = token_for(host, environment)
    with tempfile.TemporaryDirectory(prefix="whiteout-") as folder:  # short: sockets' names are
        yield Page(socket=Path(folder) / "page", token=token)
