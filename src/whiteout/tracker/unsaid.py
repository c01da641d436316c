"""What holds of the options of privacy that an app does not mention (leak L34)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from whiteout.strict.profile import CAMPAIGN_PARAMETERS
from whiteout.tracker.remote.privacy import FLAGS, PRIVACY

if TYPE_CHECKING:
    from whiteout.tracker.configuration import TrackerConfiguration

_STORED: Final = FLAGS | {"privacy_profile"}
_BUILT_IN: Final[dict[str, Any]] = {
    "platform_context": True,
    "application_context": True,
    "screen_context": True,
    "screen_engagement_autotracking": True,
    "lifecycle_autotracking": True,
    "deep_link_context": True,
    "exception_autotracking": True,
    "install_autotracking": True,
}
"""What an option of privacy is where nobody ever said; of the others None is what it says."""


def settled(configuration: TrackerConfiguration, before: object | None) -> TrackerConfiguration:
    """A configuration in which everything about privacy is said, but for what files remember.

    Where the app says nothing, the stricter holds of what the namespace had and what is built in
    (leak L34). What no file can set stays unsaid where the namespace had none.

    Args:
        configuration: as the app gave it.
        before: the tracker that had the namespace; None: there was none in this process.
    """
    said: dict[str, Any] = {}
    for row in PRIVACY:
        if row.section != "tracker" or row.name in _STORED or not hasattr(configuration, row.name):
            continue
        if getattr(configuration, row.name) is None:
            earlier = getattr(before, row.name, None)
            said[row.name] = row.strictest((_BUILT_IN.get(row.name), earlier))
    for name in ("before_consent", "identifying_properties"):
        if getattr(configuration, name) is None:
            said[name] = getattr(before, name, None)
    earlier = getattr(before, "strict_url_parameters", None)
    if configuration.strict_url_parameters is None and earlier is not None:
        said["strict_url_parameters"] = tuple(key for key in CAMPAIGN_PARAMETERS if key in earlier)
    return replace(configuration, **said)
