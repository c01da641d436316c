"""The strict profile: what is left must not single anybody out either.

    python examples/features/strict_profile.py http://127.0.0.1:9090

What to look at: the link has lost what only one reader's has; of the loan only what the app has
called safe is left; times are those of a whole minute.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    EmitterConfiguration,
    PageView,
    PrivacyProfile,
    SafeProperties,
    SelfDescribing,
    TrackerConfiguration,
)

LOAN = "iglu:com.example.library/loan/jsonschema/1-0-0"


def main(collector: str, storage: str | None = None) -> None:
    """Borrow a book."""
    tracker = whiteout.create_tracker(
        "strict-profile",
        collector,
        TrackerConfiguration(
            app_id="library",
            user_anonymisation=True,
            install_autotracking=False,
            privacy_profile=PrivacyProfile.STRICT,
            safe_properties=(
                SafeProperties(criterion="iglu:com.example.library/loan", properties=("kind",)),
            ),
        ),
        EmitterConfiguration(storage_dir=storage, server_anonymisation=True),
    )
    tracker.track(PageView(page_url="https://library.example/books?utm_source=a&reader=81723#top"))
    tracker.track(SelfDescribing(schema=LOAN, data={"kind": "book", "reader": "81723"}))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
