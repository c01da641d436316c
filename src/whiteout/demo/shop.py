"""A shopping app that goes through no anonymity and the four levels."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import whiteout
from whiteout import Anonymisation
from whiteout.events.geolocation import Geolocation
from whiteout.identifiers import IDENTIFIERS

if TYPE_CHECKING:
    from pathlib import Path

LEVELS: Final = {
    "none": Anonymisation.NONE,
    "client-side, with session": Anonymisation.USER,
    "client-side": Anonymisation.CLIENT,
    "server-side": Anonymisation.SERVER,
    "full": Anonymisation.FULL,
}
"""The documented levels, from nothing hidden to all of it."""

_DELIVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the app and the device know of a user: fresh for each run, so that it can be found.

    Attributes:
        by_identifier: the value of each identifier that the app itself supplies, by its name in
            the table.
        click_id: what an advertiser put on a link.
        cross_navigation: another device's user id, in the `_sp` of a link.
    """

    by_identifier: dict[str, str]
    click_id: str
    cross_navigation: str

    @classmethod
    def fresh(cls) -> Secrets:
        """Secrets that nobody has seen."""
        tag = uuid.uuid4().hex[:12]
        ids = {f"platform.{name}": str(uuid.uuid4()) for name in _DEVICE_IDS}
        # What only other trackers send has a secret too: looked for, and never to be found.
        others = {row.name: str(uuid.uuid4()) for row in IDENTIFIERS if not row.sent_by_sdk}
        click_id, cross_navigation = f"click-{tag}", str(uuid.uuid4())
        return cls(
            by_identifier={
                "subject.user_id": f"user-{tag}",
                "subject.domain_user_id": str(uuid.uuid4()),
                "subject.network_user_id": str(uuid.uuid4()),
                "subject.ip_address": f"198.51.100.{uuid.uuid4().int % 254 + 1}",
                **ids,
                **others,
                "platform.app_set_id_scope": "developer",
                "url.cross_navigation": cross_navigation,
                "url.click_id": click_id,
            },
            click_id=click_id,
            cross_navigation=cross_navigation,
        )


_DEVICE_IDS: Final = ("apple_idfa", "apple_idfv", "android_idfa", "open_idfa", "app_set_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What was tracked at one level.

    Attributes:
        level: the tracker's.
        with_subject: ids of events tracked while the subject had identifiers.
        without_subject: ids of events tracked while it had none, so that the collector's own show.
    """

    level: Anonymisation
    with_subject: tuple[str, ...]
    without_subject: tuple[str, ...]

    @property
    def event_ids(self) -> tuple[str, ...]:
        """All of them."""
        return self.with_subject + self.without_subject


def play(endpoint: str, storage_dir: Path, namespace: str, secrets: Secrets) -> dict[str, Visit]:
    """Visit the shop once at each level, and deliver what was tracked.

    Raises:
        TimeoutError: the collector did not take the events in time.
    """
    tracker = whiteout.create_tracker(
        namespace,
        endpoint,
        whiteout.TrackerConfiguration(
            app_id="demo-shop",
            device_platform=whiteout.DevicePlatform.MOBILE,
            platform_context_retriever=_device(secrets),
            application_version="2.4.1",
            user_anonymisation=False,
            session_context=True,
            install_autotracking=False,  # the demo compares levels, and that comes before them all
        ),
        whiteout.EmitterConfiguration(storage_dir=storage_dir, server_anonymisation=False),
    )
    with tracker:
        visits = {}
        for name, level in LEVELS.items():
            tracker.anonymisation = level
            visits[name] = _visit(tracker, level, secrets)
        if not tracker.flush(_DELIVERY_S):
            raise TimeoutError("the collector did not take the demo's events in time")
    return visits


def _visit(tracker: whiteout.Tracker, level: Anonymisation, secrets: Secrets) -> Visit:
    ids = secrets.by_identifier
    subject = tracker.subject
    subject.user_id = ids["subject.user_id"]
    subject.domain_user_id = ids["subject.domain_user_id"]
    subject.network_user_id = ids["subject.network_user_id"]
    subject.ip_address = ids["subject.ip_address"]
    link = (
        f"https://shop.example/?utm_campaign=autumn&gclid={secrets.click_id}"
        f"&_sp={secrets.cross_navigation}.1697175843762"
    )
    with_subject = [
        tracker.track(
            whiteout.PageView(page_url=link, page_title="Autumn sale", entities=[_whereabouts()])
        ),
        tracker.track(whiteout.ScreenView(name="Catalogue")),
    ]
    if tracker.session is not None:
        tracker.session.start_new_session()  # so that there is a session before this one
    with_subject += [
        tracker.track(
            whiteout.Structured(category="basket", action="add", label="kettle", value=24.9)
        ),
        tracker.track(whiteout.Timing(category="checkout", variable="load", timing=182)),
    ]
    subject.clear()
    without_subject = [tracker.track(whiteout.ScreenView(name="Checkout"))]
    return Visit(
        level=level,
        with_subject=tuple(event_id for event_id in with_subject if event_id),
        without_subject=tuple(event_id for event_id in without_subject if event_id),
    )


def _whereabouts() -> whiteout.SelfDescribingJson:
    return Geolocation(latitude=52.5163, longitude=13.3777).self_describing()


def _device(secrets: Secrets) -> whiteout.PlatformContextRetriever:
    """A phone, so that the entity with the most identifiers takes part wherever this runs."""
    ids = secrets.by_identifier
    return whiteout.PlatformContextRetriever(
        os_type=lambda: "android",
        os_version=lambda: "15",
        device_vendor=lambda: "Example",
        device_model=lambda: "Demo Phone",
        apple_idfa=lambda: ids["platform.apple_idfa"],
        apple_idfv=lambda: ids["platform.apple_idfv"],
        android_idfa=lambda: ids["platform.android_idfa"],
        open_idfa=lambda: ids["platform.open_idfa"],
        app_set_id=lambda: ids["platform.app_set_id"],
        app_set_id_scope=lambda: "developer",
    )
