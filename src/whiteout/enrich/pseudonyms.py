"""How a value becomes its pseudonym."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, Protocol

from whiteout.enrich.md2 import md2_hexdigest
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HashFunction = Literal["MD2", "MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"]
_NAMES: Mapping[HashFunction, str] = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}
_DAY_MS = 86_400_000
_MIN_KEY_BYTES = 16


class Pseudonyms(Protocol):
    """Makes pseudonyms.

    Attributes:
        hash_function: what it is made with.
        key: for other hashes over the same values.
    """

    hash_function: HashFunction
    key: bytes

    def at(self, now_ms: int) -> Callable[[str], str]:
        """What makes a pseudonym of a value at a moment, Unix epoch milliseconds."""


class SaltedPseudonyms:
    """The hash of the value with the salt behind it, in hexadecimal.

    Source: reference section 2.10.2. Whoever has the salt can try out all addresses in minutes.
    """

    def __init__(self, hash_function: HashFunction, salt: str) -> None:
        self.hash_function = hash_function
        self.key = salt.encode()
        salt_bytes = self.key
        if hash_function == "MD2":
            self._make: Callable[[str], str] = lambda value: md2_hexdigest(
                value.encode("utf-8", "surrogatepass") + salt_bytes
            )
            return
        make_hash = getattr(hashlib, _NAMES[hash_function])
        if hash_function in ("MD5", "SHA-1"):  # which strict systems refuse otherwise
            make_hash = partial(make_hash, usedforsecurity=False)

        def make(value: str) -> str:
            digest: str = make_hash(value.encode("utf-8", "surrogatepass") + salt_bytes).hexdigest()
            return digest

        self._make = make

    def at(self, now_ms: int) -> Callable[[str], str]:  # noqa: ARG002 - one signature for both
        """The same at every moment."""
        return self._make


class KeyedPseudonyms:
    """The HMAC of the value under a secret key, another key in each period.

    Args:
        hash_function: not MD2.
        key: at least 16 bytes.
        period_days: how many days have the same pseudonyms; 0 is for ever. A period begins at
            midnight UTC; the moment is when the collector took the event.

    Raises:
        ConfigurationError: an argument is outside its range.
    """

    def __init__(self, hash_function: HashFunction, key: bytes, *, period_days: int = 0) -> None:
        if hash_function == "MD2":
            raise ConfigurationError("hashFunction of hmac must not be MD2; use SHA-256")
        if len(key) < _MIN_KEY_BYTES:
            raise ConfigurationError(f"the key must have at least {_MIN_KEY_BYTES} bytes")
        if period_days < 0:
            raise ConfigurationError(f"periodDays must be 0 or more, got {period_days!r}")
        self.hash_function: HashFunction = hash_function
        self.key = hmac.digest(key, b"fingerprint", "sha256")
        self._name = name = _NAMES[hash_function]
        self._secret, self._period_ms = key, period_days * _DAY_MS

        @lru_cache(maxsize=8)
        def of_period(period: int) -> Callable[[str], str]:
            derived = hmac.digest(key, b"period %d" % period, "sha256")
            return lambda value: hmac.digest(
                derived, value.encode("utf-8", "surrogatepass"), name
            ).hex()

        self._of_period = of_period

    def at(self, now_ms: int) -> Callable[[str], str]:
        """Those of the period of a moment."""
        return self._of_period(now_ms // self._period_ms if self._period_ms else 0)
