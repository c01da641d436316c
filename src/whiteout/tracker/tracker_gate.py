"""The gate of a tracker: what its configuration makes of the tables, and of free text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whiteout.anonymisation import Gate
from whiteout.identifiers import IDENTIFIERS
from whiteout.strict.profile import CAMPAIGN_PARAMETERS

if TYPE_CHECKING:
    from whiteout.protocol.self_describing import SelfDescribingJson
    from whiteout.strict.profile import PrivacyProfile
    from whiteout.tracker.configuration import TrackerConfiguration

WITH_TEXT: Final = (
    "iglu:com.snowplowanalytics.snowplow/application_error",
    "iglu:com.snowplowanalytics.snowplow/diagnostic_error",
    "iglu:com.snowplowanalytics.mobile/message_notification",
    "iglu:com.apple/notification_event",
)
"""What `tracker.scrubbing` has rules for; here, so that other events do not load them."""


def gate_of(
    tracker: TrackerConfiguration, profile: PrivacyProfile, *, keeps_messages: bool
) -> Gate:
    """The gate.

    Args:
        tracker: says what is marked as identifying, and as safe.
        profile: how much an anonymous event may tell.
        keeps_messages: whether the `message` of errors is left under user anonymity.

    Raises:
        ConfigurationError: as `Gate`.
    """
    scrub = _scrub_but_for_messages if keeps_messages else _scrub
    parameters = tracker.strict_url_parameters
    return Gate(
        (*IDENTIFIERS, *(tracker.identifying_properties or ())),
        profile=profile,
        safe_properties=tracker.safe_properties,
        url_parameters=CAMPAIGN_PARAMETERS if parameters is None else parameters,
        scrubs=dict.fromkeys(WITH_TEXT, scrub),
    )


def _scrub(item: SelfDescribingJson) -> SelfDescribingJson:
    from whiteout.tracker.scrubbing import scrub  # noqa: PLC0415 - its patterns take 5 ms

    return scrub(item)


def _scrub_but_for_messages(item: SelfDescribingJson) -> SelfDescribingJson:
    from whiteout.tracker.scrubbing import scrub  # noqa: PLC0415 - its patterns take 5 ms

    return scrub(item, keeps_message=True)
