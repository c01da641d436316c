"""Sessions under the app's control: begun by hand, held open, with a time-out that changes.

    python examples/features/session_control.py http://127.0.0.1:9090

What to look at: the game is one session of its own, and a pause in it ends nothing.
"""

from __future__ import annotations

import sys
import time

import whiteout
from whiteout import EmitterConfiguration, SessionConfiguration, Structured, TrackerConfiguration
from whiteout.controllers import SessionController  # noqa: TC001 - an example shows the name


def play(tracker: whiteout.Tracker, session: SessionController) -> None:
    """Play a game, and leave it."""
    tracker.track(Structured(category="game", action="menu"))
    session.start_new_session()  # with the next event
    tracker.track(Structured(category="game", action="begin"))
    session.foreground_timeout = 0.1  # seconds
    session.pause()
    time.sleep(0.2)  # the player thinks
    tracker.track(Structured(category="game", action="move"))
    session.resume()
    time.sleep(0.2)  # the player has left
    tracker.track(Structured(category="game", action="menu"))
    print("sessions:", session.session_index)


def main(collector: str, storage: str | None = None) -> None:
    """Run the app once."""
    tracker = whiteout.create_tracker(
        "session-control",
        collector,
        TrackerConfiguration(app_id="game", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
        SessionConfiguration(foreground_timeout=600),
    )
    if tracker.session is not None:  # it is None while `session_context` is off
        play(tracker, tracker.session)
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
