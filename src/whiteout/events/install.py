"""The first run of an app, and where it was installed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from whiteout.events.described import DescribedEvent, optional, required
from whiteout.events.entities import Entity


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Install(DescribedEvent):
    """The app runs for the first time on this installation. It has no properties.

    The tracker tracks it by itself (`install_autotracking`); an app that switched that off may
    track its own. The native Android tracker calls it `ApplicationInstallEvent`.

    Its `true_timestamp` takes the place of the device's time (`dtm`): an app that was installed
    before it had a tracker can say when.
    """

    TIME_PARAMETER: ClassVar[str] = "dtm"

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/application_install/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The app ran for the first time"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class InstallReferrer(Entity):
    """What Google Play knows of how the app came here; for the install event of an Android app.

    The URL and the times of click and installation name one click of one person to whoever sold
    the advertisement (leak L19): the gate takes them out under user anonymity.

    Args:
        google_play_instant_param: the instant app was used within the seven days before.
        install_referrer: the URL that the installation came from; at most 4096 characters.
        referrer_click_timestamp: when the link was clicked, RFC 3339.
        install_begin_timestamp: when the installation began, RFC 3339.
    """

    SCHEMA: ClassVar[str] = "iglu:com.android.installreferrer.api/referrer_details/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "How an Android app came to be installed"

    google_play_instant_param: bool = required(
        "googlePlayInstantParam", "boolean", "The instant app was used in the week before"
    )
    install_referrer: str | None = optional(
        "installReferrer", "string", "The URL that led to the installation", max_length=4096
    )
    referrer_click_timestamp: str | None = optional(
        "referrerClickTimestamp", "string", "When the link was clicked", format="date-time"
    )
    install_begin_timestamp: str | None = optional(
        "installBeginTimestamp", "string", "When the installation was begun", format="date-time"
    )
