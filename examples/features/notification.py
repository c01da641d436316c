"""Push notifications: shown or acted upon, in both forms that there are.

    python examples/features/notification.py http://127.0.0.1:9090

What to look at: what was written to one person leaves only while the user is known; what the app
fixed beforehand, such as the action and the category, stays.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    Anonymisation,
    EmitterConfiguration,
    MessageNotification,
    MessageNotificationAttachment,
    MessageNotificationTrigger,
    NotificationContent,
    PushNotification,
    PushNotificationAttachment,
    PushNotificationTrigger,
    TrackerConfiguration,
)

PHOTO = "https://mail.example.com/photos/17"
MESSAGE = MessageNotification(
    title="A new message",
    body="Alice: are you coming?",
    trigger=MessageNotificationTrigger.PUSH,
    action="open",
    category="messages",
    attachments=[MessageNotificationAttachment(identifier="photo", type="image", url=PHOTO)],
)
OF_APPLE = PushNotification(
    date="2026-11-23T12:00:00Z",
    action="open",
    trigger=PushNotificationTrigger.PUSH,
    category="messages",
    thread="alice",
    notification=NotificationContent(
        title="A new message",
        body="Alice: are you coming?",
        attachments=[PushNotificationAttachment(identifier="photo", type="image", url=PHOTO)],
    ),
)


def main(collector: str, storage: str | None = None) -> None:
    """Open a notification, first known, then hidden."""
    tracker = whiteout.create_tracker(
        "notification",
        collector,
        TrackerConfiguration(app_id="mail", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    for level in (Anonymisation.NONE, Anonymisation.FULL):
        tracker.anonymisation = level
        tracker.track(MESSAGE)
        tracker.track(OF_APPLE)
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
