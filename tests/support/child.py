"""What child processes do. Run as a script by `support.processes.Child`."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import whiteout
from whiteout import (
    Anonymisation,
    EmitterConfiguration,
    ScreenView,
    SessionConfiguration,
    TrackerConfiguration,
)

if sys.platform != "win32":
    import resource

from whiteout.tracker.clock import SystemClock
from whiteout.tracker.counters import Counters
from whiteout.tracker.event_rows import NewEvent
from whiteout.tracker.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout import Tracker


def say(line: str) -> None:
    """One write, so that it is whole or not there, and outlives a kill."""
    os.write(1, line.encode() + b"\n")


def create(folder: str, endpoint: str, namespace: str = "app", **emitter: int) -> Tracker:
    """A tracker without what differs from machine to machine."""
    return whiteout.create_tracker(
        namespace,
        endpoint,
        TrackerConfiguration(
            platform_context=False,
            screen_engagement_autotracking=False,
            install_autotracking=False,
        ),
        EmitterConfiguration(storage_dir=folder, **emitter),  # type: ignore[arg-type] # as JSON
        SessionConfiguration(),
    )


def track(tracker: Tracker, name: str) -> None:
    """Track, then tell."""
    event_id = tracker.track(ScreenView(name=name))
    say(f"id {event_id}")


def track_some(folder: str, endpoint: str, count: int, ending: str = "exit") -> None:
    """Track `count` events, and end without `close`: by the interpreter's exit, or none at all."""
    tracker = create(folder, endpoint)
    for number in range(count):
        track(tracker, f"screen {number}")
    say("tracked")
    if ending == "hard":
        os._exit(0)


def deliver(folder: str, endpoint: str) -> None:
    """Send what earlier processes left."""
    tracker = create(folder, endpoint)
    say(f"delivered {tracker.flush(30)}")
    tracker.close(10)


def track_until_told(folder: str, endpoint: str, interval_s: float = 0.0) -> None:
    """Track until a line comes in, then flush and end."""
    tracker = create(folder, endpoint)
    is_over = threading.Event()
    threading.Thread(target=_wait_for_a_line, args=(is_over,), daemon=True).start()
    number = 0
    while True:
        track(tracker, f"screen {number}")
        number += 1
        if is_over.wait(interval_s):
            break
    say(f"delivered {tracker.flush(30)}")
    tracker.close(10)


def track_in_group(folder: str, endpoint: str, namespace: str) -> None:
    """Track as one of a group of trackers, and again, in a new session, for each line it is told.

    The line `end` ends it.
    """
    tracker = whiteout.create_tracker(
        namespace,
        endpoint,
        TrackerConfiguration(platform_context=False, install_autotracking=False),
        EmitterConfiguration(storage_dir=folder),
        SessionConfiguration(identity_group="house"),
    )
    track(tracker, "first")
    tracker.flush(10)
    say("tracked")
    for line in sys.stdin:
        if line.strip() == "end":
            break
        if tracker.session is not None:
            tracker.session.start_new_session()
        track(tracker, "again")
        tracker.flush(10)
        say("tracked")
    tracker.close(10)


def fork_while_a_group_forgets(folder: str, endpoint: str) -> None:
    """Fork while one thread after the other has a group forget; the children do so too."""
    trackers = [
        whiteout.create_tracker(
            namespace,
            endpoint,
            TrackerConfiguration(platform_context=False, install_autotracking=False),
            EmitterConfiguration(storage_dir=folder),
            SessionConfiguration(identity_group="house"),
        )
        for namespace in ("one", "two")
    ]
    is_over = threading.Event()

    def forget(tracker: Tracker) -> None:
        while not is_over.is_set():
            tracker.forget()

    threads = [threading.Thread(target=forget, args=[tracker]) for tracker in trackers]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            ok = all(tracker.track(ScreenView(name="child")) for tracker in trackers)
            # All write to one folder at once: a try may find it busy, and says so.
            os._exit(0 if ok and any(trackers[0].forget() for _ in range(20)) else 1)
        children.append(pid)
    statuses = [os.waitpid(pid, 0)[1] for pid in children]
    is_over.set()
    for thread in threads:
        thread.join()
    say(f"statuses {statuses}")


def answer_until_killed(folder: str, endpoint: str) -> None:
    """Give consent and withdraw it in turn, and tell before and after each."""
    tracker = create(folder, endpoint)
    while True:
        say("giving")
        tracker.consent.give()
        say("given")
        tracker.track(ScreenView(name="known"))
        say("withdrawing")
        tracker.consent.withdraw()
        say("withdrawn")
        tracker.track(ScreenView(name="hidden"))


def track_with_small_files(folder: str, endpoint: str, count: int, most_bytes: int) -> None:
    """Track where no file can grow beyond so many bytes, as on a full disk; then send."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    tracker = create(folder, endpoint)
    tracker.emitter.pause()
    for number in range(count):
        track(tracker, f"screen {number}")
    while tracker.emitter.db_count < count:
        time.sleep(0.01)
    tracker.emitter.resume()
    say(f"delivered {tracker.flush(60)} dropped {dict(tracker.drops)}")
    tracker.close(10)


def keep(folder: str) -> None:
    """Store an event of each name that comes in; the line `open again` does that, as a fork would.

    No tracker: nothing happens but what is asked for.
    """
    clock = SystemClock()
    path = Path(folder) / "app.events.sqlite"
    counters = Counters(clock)
    storage = Storage(path, clock=clock, counters=counters, max_events=1000, max_age_s=3600)
    say("open")
    for line in map(str.strip, sys.stdin):
        if line == "open again":
            with storage.held():
                pass
            continue
        event = NewEvent(0, 0, 7, line, clock.now_ms(), 1, "data")
        is_settled = storage.add([event], {7: "template"}).is_settled
        say(f"stored {is_settled or storage.settle()}")


def _wait_for_a_line(is_over: threading.Event) -> None:
    sys.stdin.readline()
    is_over.set()


def nursery(folder: str, endpoint: str) -> None:
    """Children that track until they are killed, one for each line that comes in."""
    _nurse(lambda life: _track_until_killed(folder, endpoint, life))


def nursery_on_both_sides(folder: str, endpoint: str, seed: int) -> None:
    """Children that change the level and track until they are killed, one for each line."""
    _nurse(
        lambda life: _change_until_killed(folder, endpoint, random.Random(f"{seed} {life}"), life)
    )


def _nurse(live: Callable[[int], None]) -> None:
    """Fork a child for each line that comes in; each lives until it is killed.

    Forking saves the time to start Python. This process itself has no tracker and no threads.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    import_module("whiteout.tracker.tracker")  # else each child spends its life on importing it
    for life, _line in enumerate(sys.stdin):
        pid = os.fork()
        if pid == 0:
            live(life)
        say(f"born {pid}")
        os.waitpid(pid, 0)
        say(f"dead {pid}")


def _change_until_killed(folder: str, endpoint: str, dice: random.Random, life: int) -> None:
    """The names say which life it was, the run of events within it, and the level."""
    try:
        tracker = create(folder, endpoint)
        run = 0
        while True:
            level = tracker.anonymisation
            name = f"{life}.{run}|{level.value}"
            track(tracker, name)
            if dice.random() < 0.2 and tracker.session is not None:
                tracker.session.start_new_session()
            if dice.random() < 0.3:
                wanted = Anonymisation(dice.randrange(Anonymisation.FULL.value + 1))
                tracker.set_anonymisation(wanted)
                run += bool((wanted ^ level) & Anonymisation.CLIENT)
            time.sleep(0.001)  # let the writer and the emitter have their turn
    finally:
        os._exit(3)


def _track_until_killed(folder: str, endpoint: str, life: int) -> None:
    """The names say which life it was, and count."""
    try:
        tracker = create(folder, endpoint)
        number = 0
        while True:
            track(tracker, f"{life} {number}")
            number += 1
            if number % 8 == 0:
                time.sleep(0.001)  # let the writer and the emitter have their turn
    finally:
        os._exit(3)


def fork_with_traffic(folder: str, endpoint: str, forks: int, events: int) -> None:
    """Track in threads, fork in between, and track in the children too."""
    tracker = create(folder, endpoint)
    is_over = threading.Event()
    threads = [
        threading.Thread(target=_track_while, args=(tracker, is_over, number))
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    children = []
    for number in range(forks):
        pid = os.fork()
        if pid == 0:
            _in_child(tracker, f"child {number}", events)
        children.append(pid)
        time.sleep(0.02)
    is_over.set()
    for thread in threads:
        thread.join()
    statuses = [os.waitpid(pid, 0)[1] for pid in children]
    say(f"statuses {statuses}")
    say(f"delivered {tracker.flush(30)}")
    tracker.close(10)


def _track_while(tracker: Tracker, is_over: threading.Event, number: int) -> None:
    count = 0
    while not is_over.is_set():
        track(tracker, f"parent {number} {count}")
        count += 1
        time.sleep(0.0005)


def _track_many(tracker: Tracker, name: str, events: int) -> None:
    for count in range(events):
        track(tracker, f"{name} {count}")


def _in_child(tracker: Tracker, name: str, events: int) -> None:
    """Track in a forked child, which then ends as a well-behaved one does."""
    try:
        _track_many(tracker, name, events)
        tracker.close(5)
    except BaseException as error:  # noqa: BLE001 - the child must not run the parent's code
        say(f"error {type(error).__name__} {error}")
        os._exit(1)
    os._exit(0)


def fork_then_parent_ends_first(folder: str, endpoint: str, events: int) -> None:
    """The parent closes its tracker and ends while the child goes on tracking."""
    tracker = create(folder, endpoint)
    track(tracker, "before")
    tracker.flush(0.2)
    gone, went = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(went)
        track(tracker, "child, first")
        tracker.flush(0.2)
        say("child ready")
        os.read(gone, 1)  # the end of the parent closes the pipe
        _track_many(tracker, "child", events)
        tracker.close(0.5)
        say("child done")
        os._exit(0)
    os.close(gone)
    sys.stdin.readline()
    tracker.close(0.2)
    say("parent done")
    os.close(went)
    os._exit(0)


def multiprocess(folder: str, endpoint: str, workers: int, events: int) -> None:
    """Workers of `multiprocessing`, forked, which never call `close`."""
    import multiprocessing  # noqa: PLC0415 - for this action alone

    tracker = create(folder, endpoint)
    track(tracker, "parent")
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_track_many, args=(tracker, f"worker {number}", events))
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    _track_many(tracker, "parent", events)
    for process in processes:
        process.join(20)
    say(f"statuses {[process.exitcode for process in processes]}")
    tracker.close(10)


def die_of_an_exception(folder: str, endpoint: str, where: str, *, anonymous: bool) -> None:
    """End by an exception that nobody catches, in the main thread; or in another, then by exit."""
    tracker = whiteout.create_tracker(
        "app",
        endpoint,
        TrackerConfiguration(
            platform_context=False, user_anonymisation=anonymous, install_autotracking=False
        ),
        EmitterConfiguration(storage_dir=folder),
    )
    if where == "main":
        _fail()
    if where == "hard":
        sys.excepthook = lambda *_: os._exit(7)  # what others do on top, ours is called by none
        whiteout.create_tracker(
            "second",
            endpoint,
            TrackerConfiguration(
                platform_context=False, user_anonymisation=anonymous, install_autotracking=False
            ),
            EmitterConfiguration(storage_dir=folder),
        )
        _fail()
    thread = threading.Thread(target=_fail)
    thread.start()
    thread.join()
    say(f"hooked {tracker.exception_autotracking}")


def _fail() -> None:
    canary = "canary@example.com"
    raise LookupError(f"no account for {canary}")


def main() -> None:
    """Do as the command line says."""
    _, action, arguments = sys.argv
    globals()[action](**json.loads(arguments))


if __name__ == "__main__":
    main()
