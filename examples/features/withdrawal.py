"""Withdrawal: what becomes of events that still wait when the user says no.

    python examples/features/withdrawal.py http://127.0.0.1:9090

What to look at: the first event is sent without what identified it, with an id of its own; the
second never is, and the tracker says why. Nobody is known in either.
"""

from __future__ import annotations

import sys

import whiteout
from whiteout import (
    Anonymisation,
    DropReason,
    EmitterConfiguration,
    Pending,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)


def main(collector: str, storage: str | None = None) -> None:
    """Withdraw twice, each time with an event that waits for the network."""
    tracker = whiteout.create_tracker(
        "withdrawal",
        collector,
        TrackerConfiguration(app_id="diary", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
        SubjectConfiguration(user_id="reader-17"),
    )
    for pending in (Pending.ANONYMISE, Pending.DROP):
        tracker.anonymisation = Anonymisation.NONE
        tracker.emitter.pause()
        tracker.track(Structured(category="diary", action=pending.value))
        tracker.set_anonymisation(Anonymisation.FULL, pending=pending)
        tracker.emitter.resume()
        tracker.flush(10)
    print("dropped:", tracker.drops.get(DropReason.WITHDRAWN, 0))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
