"""Which options are about privacy, and which way is stricter: one row each.

Where several sources (default bundle, remote file, live change) say something about such an option,
the most private of them wins, whichever is newer (leak L27c). All other options follow the usual
order: live, then remote, then default bundle, then built-in.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whiteout.identifiers import Anonymisation

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stricter(enum.Enum):
    """Which of two values tells less."""

    ON = "True"
    OFF = "False"
    FEWER = "the properties that both have; None is all there are"
    STRICT = "the member of that name"
    LESS = "the smaller number"


@dataclass(frozen=True, slots=True)
class PrivacyOption:
    """A row.

    Attributes:
        section: of the bundle.
        name: of the option; one that this version does not have is passed over.
        stricter: which way.
        why: what the looser value gives away.
    """

    section: str
    name: str
    stricter: Stricter
    why: str

    def strictest(self, values: Iterable[object]) -> object:
        """The most private of what was said; None, which is nothing said, where nobody spoke."""
        said = [value for value in values if value is not None]
        if not said:
            return None
        if self.stricter is Stricter.FEWER:
            first, *others = _collections(said)
            return tuple(item for item in first if all(item in other for other in others))
        if self.stricter is Stricter.STRICT:
            return next(
                (value for value in said if getattr(value, "name", "") == "STRICT"), said[0]
            )
        if self.stricter is Stricter.LESS:
            return min(value for value in said if isinstance(value, int | float))
        return any(said) if self.stricter is Stricter.ON else all(said)

    def is_within(self, value: object, limit: object) -> bool:
        """Whether a value tells no more than another; None as a limit allows everything."""
        if limit is None:
            return True
        if value is None:
            return False
        if self.stricter is Stricter.FEWER:
            if not isinstance(value, Iterable):
                return False
            (few, many) = _collections([value, limit])
            return set(few) <= set(many)
        return self.strictest((limit, value)) == value

    def most_private(self, members: type[enum.Enum] | None = None) -> object:
        """The most private value there is.

        Args:
            members: of an option whose values are an enumeration.
        """
        if self.stricter is Stricter.STRICT:
            return members["STRICT"] if members is not None else None
        return {
            Stricter.ON: True,
            Stricter.OFF: False,
            Stricter.FEWER: (),
            Stricter.LESS: 0,
        }[self.stricter]


def _collections(said: list[Any]) -> list[tuple[object, ...]]:
    return [tuple(value) for value in said]


FLAGS: Final = frozenset({"user_anonymisation", "session_context", "server_anonymisation"})
"""The options that make the level; see `demanded_level`."""

PRIVACY: Final = (
    PrivacyOption("tracker", "user_anonymisation", Stricter.ON, "who the user is"),
    PrivacyOption("tracker", "session_context", Stricter.OFF, "which events are of one session"),
    PrivacyOption("emitter", "server_anonymisation", Stricter.ON, "the address and the cookie"),
    PrivacyOption("tracker", "privacy_profile", Stricter.STRICT, "fine detail while anonymous"),
    PrivacyOption(
        "tracker", "anonymous_session_lifetime", Stricter.LESS, "which events are of one run (L37)"
    ),
    PrivacyOption("tracker", "platform_context", Stricter.OFF, "the device (L16, L17)"),
    PrivacyOption(
        "tracker", "platform_context_properties", Stricter.FEWER, "more of the device (L17, L23)"
    ),
    PrivacyOption("tracker", "application_context", Stricter.OFF, "the build the user runs"),
    PrivacyOption("tracker", "geolocation_context", Stricter.OFF, "where the user is (L18)"),
    PrivacyOption("tracker", "geo_location_context", Stricter.OFF, "the same, by its native name"),
    PrivacyOption("tracker", "screen_context", Stricter.OFF, "where in the app the user is (L22)"),
    PrivacyOption(
        "tracker", "screen_engagement_autotracking", Stricter.OFF, "how long, how much of it (L22)"
    ),
    PrivacyOption("tracker", "lifecycle_autotracking", Stricter.OFF, "when the app is looked at"),
    PrivacyOption("tracker", "deep_link_context", Stricter.OFF, "URLs with identifiers (L19)"),
    PrivacyOption("tracker", "install_autotracking", Stricter.OFF, "that this is the first run"),
    PrivacyOption("tracker", "exception_autotracking", Stricter.OFF, "stack traces (L28)"),
    PrivacyOption("tracker", "diagnostic_autotracking", Stricter.OFF, "the same (L28)"),
    PrivacyOption("tracker", "error_messages_while_anonymous", Stricter.OFF, "messages (L28)"),
)

ORDINARY: Final = frozenset(
    "app_id device_platform base64_encoding log_level screen_view_autotracking "
    "application_version application_build tracker_version_suffix endpoint method "
    "custom_post_path timeout buffer_option emit_range byte_limit_post byte_limit_get "
    "custom_retry_for_status_codes retry_failed_requests max_event_store_size max_event_store_age "
    "foreground_timeout background_timeout continue_session_on_restart user_id network_user_id "
    "domain_user_id ip_address user_agent timezone language screen_resolution screen_view_port "
    "color_depth".split()
)
"""The others that a remote file can set: a new option has to be put on one side."""

OF: Final[Mapping[tuple[str, str], PrivacyOption]] = {
    (row.section, row.name): row for row in PRIVACY
}


def demanded_level(sections: Mapping[str, Mapping[str, Any]]) -> Anonymisation:
    """The level that these values ask for at least."""
    tracker, emitter = sections.get("tracker", {}), sections.get("emitter", {})
    level = Anonymisation.NONE
    if tracker.get("user_anonymisation") is True:
        level |= Anonymisation.USER
    if tracker.get("session_context") is False:
        level |= Anonymisation.SESSION
    if emitter.get("server_anonymisation") is True:
        level |= Anonymisation.SERVER
    return level
