"""What an app says about the strict profile: whether it wants it, and what it knows to be safe."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from whiteout.errors import ConfigurationError
from whiteout.identifiers import parse_mark

CAMPAIGN_PARAMETERS: Final = ("utm_source", "utm_medium", "utm_campaign")
"""Query keys that stay under the strict profile: they name a campaign. `utm_content`, `utm_term`
and `utm_id` do not stay: mailings put the recipient there."""


class PrivacyProfile(enum.Enum):
    """How much an anonymous event may tell.

    `STANDARD` removes identifiers, those of `whiteout.identifiers`. `STRICT` lets nothing pass
    but what its table (`whiteout.strict.table`) allows. It acts on every event that is anonymous
    in any way. Under `SESSION` or `SERVER` alone what names the user passes all the same, as the
    level says: `user_id`, the session's `userId`, advertising ids.
    """

    STANDARD = "standard"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeProperties:
    """Properties of a schema of the app's own that tell nothing of a person.

    Under the strict profile they pass, whole, with all that is below them; the rest of the schema
    does not. What is marked as identifying goes all the same.

    Args:
        criterion: `iglu:com.acme/customer`, the schema in all its versions.
        properties: their names; nested ones with dots, `address.country`. Empty: the event or
            entity itself may be sent, without any data.

    Raises:
        ConfigurationError: `criterion` or a name has another shape, or `properties` is no
            collection of names.
    """

    criterion: str
    properties: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.properties, tuple):
            kind = type(self.properties).__name__
            raise ConfigurationError(f"properties must be a tuple of names, got a {kind}")
        for path in self.properties:
            parse_mark(self.criterion, path)
        if not self.properties:
            parse_mark(self.criterion, "any")
