"""An app that asks first: every run of it keeps to what the user answered in the one before.

    python examples/consent.py http://127.0.0.1:9090 --storage /tmp/diary
    python examples/consent.py http://127.0.0.1:9090 --storage /tmp/diary --answer yes
    python examples/consent.py http://127.0.0.1:9090 --storage /tmp/diary
    python examples/consent.py http://127.0.0.1:9090 --storage /tmp/diary --answer no

What to look at: the first run tracks that somebody has installed the app, and not who. A yes holds
for the runs after it; a no reaches even what waits. The place is sent of a known user alone. Every
event says on which legal basis it is processed.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import whiteout
from whiteout import (
    Anonymisation,
    BasisForProcessing,
    ConsentDocument,
    ConsentState,
    EmitterConfiguration,
    GdprConfiguration,
    ScreenView,
    SubjectConfiguration,
    TrackerConfiguration,
)

POLICY = ConsentDocument(document_id="diary-privacy", document_version="2.0")


def create_tracker(collector: str, storage: Path | None) -> whiteout.Tracker:
    """The tracker of the diary: nobody is known before the user has answered."""
    return whiteout.create_tracker(
        "diary",
        collector,
        TrackerConfiguration(
            app_id="diary",
            before_consent=Anonymisation.FULL,
            geo_location_context=True,
        ),
        EmitterConfiguration(storage_dir=storage),
        SubjectConfiguration(user_id="reader-17", geo_latitude=52.5163, geo_longitude=13.3777),
        # Anonymous figures are a legitimate interest; see below for the rest.
        GdprConfiguration(basis_for_processing=BasisForProcessing.LEGITIMATE_INTERESTS),
    )


def name_basis(tracker: whiteout.Tracker) -> None:
    """Let events say why they are processed, as long as there is consent."""
    is_given = tracker.consent.state is ConsentState.GIVEN
    basis = BasisForProcessing.CONSENT if is_given else BasisForProcessing.LEGITIMATE_INTERESTS
    tracker.gdpr.reset(GdprConfiguration(basis_for_processing=basis))


def main() -> None:
    """Run the diary once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector", help="such as http://127.0.0.1:9090")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    parser.add_argument("--answer", choices=["yes", "no"], help="what the user says in this run")
    arguments = parser.parse_args()

    with create_tracker(arguments.collector, arguments.storage) as tracker:
        name_basis(tracker)
        tracker.track(ScreenView(name="Today"))
        if arguments.answer == "yes":
            in_a_year = datetime.now(UTC) + timedelta(days=365)
            tracker.consent.give(documents=[POLICY], expiry=in_a_year)
        elif arguments.answer == "no":
            tracker.consent.withdraw(documents=[POLICY])
        name_basis(tracker)
        tracker.track(ScreenView(name="Yesterday"))
        print(f"consent: {tracker.consent.state.value}, hidden: {tracker.anonymisation.name}")
        delivered = tracker.flush(10)
    print("everything was delivered" if delivered else "what was not delivered waits on disk")


if __name__ == "__main__":
    main()
