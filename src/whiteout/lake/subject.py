"""Who is to be erased, and whether a text, a record or a column speaks of them.

Events are found by value: a column or property that *is* the identifier. What has no columns (bad
rows, records of the log) is searched as text, through the encodings that trackers and bad rows use:
JSON, escapes in it, percent signs, base64.

An identifier of fewer than six characters, such as the number of a row in somebody's database, is
also the value of much else; it counts only where the name beside it is that of an identifier.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from uuid import UUID

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Mapping[str, tuple[str, ...]] = {
    "user_id": ("user_id",),
    "domain_userid": ("domain_userid", "refr_domain_userid"),
    "network_userid": ("network_userid",),
    "installation_id": (),
    "user_ipaddress": ("user_ipaddress",),
    "identifier": (),
}
"""Kinds of identifiers, and the atomic columns that hold them.

An installation's is the `user_id` of the session entity; `identifier` is any other."""

IDENTIFYING_NAME = re.compile(
    r"(?:^|_)(?:user_?id|uid|userid|user|duid|nuid|tnuid|fp|fingerprint|email|customer_?id|"
    r"account_?id|member_?id|person_?id|ip|ipaddress)$",
    re.IGNORECASE,
)
"""Names of columns and properties that hold identifiers."""

_DISTINCT = 6  # characters
_DEPTH = 6  # encodings within encodings
_NAMES = r"(?:user_?id|uid|duid|t?nuid|fp|(?:customer|account|member|person)_?id|email|ip)"
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_TAB_FIELDS = len(ATOMIC_COLUMNS)
_MAX_LENGTH = 1000


@dataclass(frozen=True, slots=True, repr=False)
class Subject:
    """One person, by the identifiers that are known of them.

    Attributes:
        identifiers: kind to value; see `KINDS`.

    Raises:
        ConfigurationError: there is none, or one is empty or of an unknown kind.
    """

    identifiers: tuple[tuple[str, str], ...]
    values: frozenset[str] = field(init=False)
    """The identifiers as they may be written."""
    _text: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        if not self.identifiers:
            raise ConfigurationError("name at least one identifier, such as --user-id")
        for kind, value in self.identifiers:
            if kind not in KINDS:
                raise ConfigurationError(f"an identifier is one of {', '.join(KINDS)}")
            if not value.strip() or len(value) > _MAX_LENGTH:
                raise ConfigurationError(
                    f"--{kind.replace('_', '-')} must be 1 to {_MAX_LENGTH} characters, not blank"
                )
        values = frozenset(form for _, value in self.identifiers for form in _forms(value))
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "_text", re.compile("|".join(map(_pattern, sorted(values)))))

    def distinct(self) -> frozenset[str]:
        """Those values that stand for the person wherever they are a value."""
        return frozenset(value for value in self.values if len(value) >= _DISTINCT)

    def hashes(self, salt: bytes) -> list[dict[str, str]]:
        """What a receipt says of the identifiers: slow salted hashes, hard to guess."""
        return [
            {"kind": kind, "salt": salt.hex(), "scrypt": subject_hash(value, salt)}
            for kind, value in self.identifiers
        ]

    def is_in(self, text: str, depth: int = _DEPTH) -> bool:
        """Tell whether `text` speaks of the person, as it is or decoded."""
        if self._text.search(text) or self._is_in_columns(text):
            return True
        return depth > 0 and any(self.is_in(inner, depth - 1) for inner in _decoded(text))

    def _is_in_columns(self, text: str) -> bool:
        """An enriched event in a bad row: columns without names."""
        if text.count("\t") != _TAB_FIELDS - 1:
            return False
        fields = text.split("\t")
        columns = {column for names in KINDS.values() for column in names}
        return any(fields[COLUMN_INDEX[column]] in self.values for column in columns)


def subject_hash(value: str, salt: bytes) -> str:
    """The scrypt hash (N = 2^14, r = 8, p = 1) of an identifier, hexadecimal."""
    return hashlib.scrypt(value.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32).hex()


def _forms(value: str) -> list[str]:
    try:
        text = str(UUID(value))
    except ValueError:
        return [value]
    return [value, text, text.upper()]


def _pattern(value: str) -> str:
    escaped = re.escape(value)
    if len(value) >= _DISTINCT:
        return rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"
    # "uid":"24", uid=24, {"name":"uid","value":"24"}, also with the quotes escaped.
    quote = r"\\*\"?"
    return (
        rf"(?i:(?<![A-Za-z])(?:[a-z]+_)?{_NAMES}){quote}\s*(?:,\s*{quote}value{quote})?\s*[:=]\s*"
        rf"{quote}{escaped}(?![\w.-])"
    )


def _decoded(text: str) -> list[str]:
    """What `text` may stand for besides itself; empty where nothing is encoded."""
    found = []
    if "%" in text or "+" in text:
        plain = unquote_plus(text)
        if plain != text:
            found.append(plain)
    if "\\" in text:
        found.append(_ESCAPE.sub(_unescape, text))
    for run in _BASE64.findall(text):
        data = _from_base64(run)
        if data is not None:
            found.append(data.decode("utf-8", "replace"))
    return found


def _unescape(match: re.Match[str]) -> str:
    number, letter = match.groups()
    if number is None:
        return {"n": "\n", "t": "\t", "r": "\r"}.get(letter, str(letter))
    return chr(int(number, 16))


def _from_base64(text: str) -> bytes | None:
    text = text.translate({ord("-"): "+", ord("_"): "/"})
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
