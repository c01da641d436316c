"""An app on a phone: the platform entity from what the toolkit knows, and a session that ends.

    python examples/phone.py http://127.0.0.1:9090

What to look at: the app says what only it can know, by callbacks; callbacks for identifiers are
not even called while the user is anonymous.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import whiteout
from whiteout import (
    Anonymisation,
    DevicePlatform,
    EmitterConfiguration,
    PlatformContextRetriever,
    PlatformProperty,
    ScreenView,
    SessionConfiguration,
    SessionState,
    SubjectConfiguration,
    TrackerConfiguration,
)


def vendor_id() -> str:
    """What the system gives to all apps of one maker: it identifies the device."""
    print("the vendor id was asked for")
    return "E621E1F8-C36C-495A-93FC-0C247A3E6E5F"


def on_session_update(state: SessionState) -> None:
    """Called on a background thread, with a copy that hides what the level hides."""
    print(f"session {state.session_index}")


def create_tracker(collector: str, storage: Path | None) -> whiteout.Tracker:
    """The tracker, with a device that the app describes."""
    return whiteout.create_tracker(
        "phone",
        collector,
        TrackerConfiguration(
            app_id="phone",
            install_autotracking=False,  # see `consent.py` for one that tracks it
            device_platform=DevicePlatform.MOBILE,
            user_anonymisation=True,
            platform_context_properties=[
                PlatformProperty.APPLE_IDFV,
                PlatformProperty.LANGUAGE,
                PlatformProperty.NETWORK_TYPE,
            ],
            platform_context_retriever=PlatformContextRetriever(
                os_type=lambda: "ios",
                os_version=lambda: "18.1",
                device_vendor=lambda: "Apple Inc.",
                device_model=lambda: "iPhone17,1",
                network_type=lambda: "wifi",
                apple_idfv=vendor_id,
            ),
        ),
        EmitterConfiguration(storage_dir=storage),
        SessionConfiguration(on_session_update=on_session_update),
        SubjectConfiguration(language="en-GB", screen_resolution="1206x2622"),
    )


def main() -> None:
    """Run the app once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector", help="such as http://127.0.0.1:9090")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    arguments = parser.parse_args()

    with create_tracker(arguments.collector, arguments.storage) as tracker:
        print("anonymous")
        tracker.track(ScreenView(name="Start"))
        tracker.flush()

        print("signed in")
        tracker.anonymisation = Anonymisation.NONE
        tracker.subject.user_id = "customer-17"
        tracker.track(ScreenView(name="Account"))
        tracker.flush()


if __name__ == "__main__":
    main()
