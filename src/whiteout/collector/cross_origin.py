"""What browsers are told about requests of other origins (reference section 1.3; weakness W19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.collector.cookies import parse_origins

if TYPE_CHECKING:
    from whiteout.collector.settings import CollectorSettings

_VARY = b"Vary: Origin\r\n"
_ALLOW = b"Access-Control-Allow-Origin: "
_CREDENTIALS = b"\r\nAccess-Control-Allow-Credentials: true\r\n"


class CrossOrigin:
    """The lines for one configuration.

    Attributes:
        default: the lines for a request without `Origin`.
    """

    def __init__(self, settings: CollectorSettings) -> None:
        self._allowed = frozenset(origin.encode() for origin in settings.cors_origins)
        any_origin = _ALLOW + b"*" + _CREDENTIALS + _VARY
        self.default = _VARY if self._allowed else any_origin
        self._preflight = (
            b"Access-Control-Allow-Headers: Content-Type, SP-Anonymous\r\n"
            b"Access-Control-Max-Age: %d\r\n" % settings.cors_max_age_s
        )

    def lines(self, origin: bytes) -> tuple[bytes, list[str]]:
        """Return the lines for an `Origin` header, and the hosts that it names.

        Of several origins the first is echoed; one that is none, or not allowed, never.
        """
        first, hosts = parse_origins(origin)
        if first is None or (self._allowed and first.lower() not in self._allowed):
            return self.default, hosts
        return _ALLOW + first + _CREDENTIALS + _VARY, hosts

    def preflight(self, origin: bytes | None) -> bytes:
        """Return the lines that answer a preflight."""
        lines = self.default if origin is None else self.lines(origin)[0]
        return lines if lines == _VARY else lines + self._preflight
