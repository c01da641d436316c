"""Scopes: one tracker for many visitors, each with a user and a level of their own.

    python examples/features/scope.py http://127.0.0.1:9090

What to look at: each event is of the visitor in whose scope it is tracked, coroutines included; the
one who said no is nobody. Middleware (`examples/features/asgi.py`) makes such scopes by itself.
"""

from __future__ import annotations

import asyncio
import sys

import whiteout
from whiteout import (
    Anonymisation,
    EmitterConfiguration,
    Structured,
    SubjectConfiguration,
    TrackerConfiguration,
)


async def visit(tracker: whiteout.Tracker, user: str, level: Anonymisation) -> None:
    """Answer one visitor, while others are answered too."""
    with tracker.scope(subject=SubjectConfiguration(user_id=user), anonymisation=level):
        await asyncio.sleep(0)
        tracker.track(Structured(category="site", action="visit"))


async def serve(tracker: whiteout.Tracker) -> None:
    """Two visitors at once."""
    await asyncio.gather(
        visit(tracker, "17", Anonymisation.NONE), visit(tracker, "18", Anonymisation.FULL)
    )


def main(collector: str, storage: str | None = None) -> None:
    """Serve, and go."""
    tracker = whiteout.create_tracker(
        "scope",
        collector,
        TrackerConfiguration(app_id="site", install_autotracking=False),
        EmitterConfiguration(storage_dir=storage),
    )
    asyncio.run(serve(tracker))
    print("delivered:", tracker.close(timeout=10))


if __name__ == "__main__":
    main(*sys.argv[1:])
