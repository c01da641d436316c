"""TLS: certificate and key from files, and again from them when they change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from whiteout.collector.settings import Tls

_logger = logging.getLogger("whiteout.collector")


class Certificates:
    """The certificate that new connections get.

    Raises:
        ConfigurationError: the files cannot be read, or do not belong together.

    Attributes:
        context: for the listening socket. It stays the same when the files change.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._stamp = self._state()
        try:
            self.context = self._new_context()
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"tls: {self._complaint(error)}") from error

    def reload(self) -> bool:
        """Read the files again; connections that are there keep what they have.

        Returns:
            False where they cannot be used: the old ones stay, and the log says so.
        """
        self._stamp = self._state()
        try:
            self._new_context()  # a pair that does not match must not reach the one in use
            self.context.load_cert_chain(self._tls.certificate, self._tls.key, _no_password)
        except (OSError, ssl.SSLError) as error:
            _logger.error("the certificate was not renewed: %s", self._complaint(error))  # noqa: TRY400 - the trace tells no more
            return False
        return True

    def reload_if_changed(self) -> None:
        """Do so where a file is not the one that was read."""
        if self._state() != self._stamp:
            self.reload()

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._tls.certificate, self._tls.key, _no_password)
        return context

    def _state(self) -> list[tuple[int, int, int] | None]:
        return [
            _file_state(Path(name))
            for name in (self._tls.certificate, self._tls.key)
            if name is not None
        ]

    def _complaint(self, error: Exception) -> str:
        names = f"certificate {self._tls.certificate!r} and key {self._tls.key!r}"
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        return f"{names} must be PEM files that belong together: {reason}"


def _no_password() -> str:
    return ""  # nobody is there to be asked


def _file_state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
