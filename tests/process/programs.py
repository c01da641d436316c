"""Programs that track, and end in all the ways there are. `tests.process.support` runs them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import faulthandler
import json
import multiprocessing
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.child import create, say, track

import whiteout
from whiteout.tracker.asynchronous import flush_async

if TYPE_CHECKING:
    from whiteout import Tracker


def stamp() -> None:
    """Tell when the program came to its end, on the clock that all processes share."""
    say(f"end {time.monotonic()}")


# --- short-lived tools ----------------------------------------------------------------------------


def tool(folder: str, endpoint: str, events: int, ending: str = "end") -> None:
    """Track, and end without `close`."""
    tracker = create(folder, endpoint)
    tracker.exception_autotracking = False  # nobody is told the ids of its events; see `crash`
    if ending == "daemon threads":
        for number in range(3):
            threading.Thread(target=track_for_ever, args=(tracker, number), daemon=True).start()
        time.sleep(0.1)
    for number in range(events):
        track(tracker, f"screen {number}")
    stamp()
    if ending == "sys.exit":
        sys.exit(3)
    if ending == "exception":
        raise ValueError("broken")
    if ending == "os._exit":
        os._exit(4)
    if ending in {"SIGTERM", "SIGKILL", "SIGINT"}:
        os.kill(os.getpid(), getattr(signal, ending))


def track_for_ever(tracker: Tracker, number: int) -> None:
    """Track until the process ends."""
    while True:
        track(tracker, f"daemon {number}")


def bare() -> None:
    """Do as much as `tool` does, without a tracker."""
    say("nothing")
    stamp()


def unresolved_tool(folder: str, endpoint: str, events: int) -> None:
    """Track where the resolver never answers, whatever the machine's network is like."""
    socket.getaddrinfo = lambda *_, **__: threading.Event().wait()  # type: ignore[assignment] # it hangs
    tool(folder, endpoint, events)


def locked_out_tool(folder: str, endpoint: str, events: int) -> None:
    """Track while another connection keeps everybody out of the event store, and end."""
    tracker = create(folder, endpoint)
    tracker.flush(0.05)
    other = sqlite3.connect(Path(folder) / "app.events.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for number in range(events):
        track(tracker, f"screen {number}")
    time.sleep(0.2)  # the writer is waiting for the store by then
    stamp()


def many_unresolved_tools(folder: str, endpoint: str, trackers: int) -> None:
    """Track with several trackers whose emitters all wait for a resolver that never answers."""
    asked = threading.Semaphore(0)

    def hang(*_: object, **__: object) -> None:
        asked.release()
        threading.Event().wait()

    socket.getaddrinfo = hang  # type: ignore[assignment] # it hangs
    for number in range(trackers):
        track(create(folder, endpoint, f"app{number}"), f"screen {number}")
    for _ in range(trackers):
        asked.acquire()
    stamp()


def sending_tool(folder: str, endpoint: str, events: int, wait_s: float) -> None:
    """Track, give the emitter the time to begin to send, and end."""
    tracker = create(folder, endpoint)
    for number in range(events):
        track(tracker, f"screen {number}")
    started = time.monotonic()
    say(f"flushed {tracker.flush(wait_s)} {time.monotonic() - started}")
    stamp()


# --- asyncio --------------------------------------------------------------------------------------


def asyncio_app(folder: str, endpoint: str, tasks: int, events: int) -> None:
    """Track in tasks, and wait for the delivery as asyncio does."""
    tracker = create(folder, endpoint)

    async def work(number: int) -> None:
        for count in range(events):
            track(tracker, f"task {number} {count}")
            await asyncio.sleep(0)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(work(number))
        say(f"delivered {await flush_async(tracker, 8.0)}")

    asyncio.run(main())


# --- many processes -------------------------------------------------------------------------------

_arguments: dict[str, Any] = {}


def work(number: int, events: int) -> int:
    """Track in a worker; a forked one has its parent's tracker, others make one of their own."""
    tracker = whiteout.get_tracker("app") or create(**_arguments)
    for count in range(events):
        track(tracker, f"worker {number} {count}")
    return number


def work_alone(number: int, events: int, folder: str, endpoint: str) -> None:
    """What a process of its own does; nothing is under way when it ends, which is abrupt."""
    _arguments.update(folder=folder, endpoint=endpoint)
    work(number, events)
    tracker = whiteout.get_tracker("app")
    say(f"delivered {tracker is not None and tracker.flush(8.0)}")


def remember(folder: str, endpoint: str) -> None:
    """Tell a worker of a pool where to track."""
    _arguments.update(folder=folder, endpoint=endpoint)


def processes(folder: str, endpoint: str, method: str, workers: int, events: int) -> None:
    """`multiprocessing.Process`, while the parent tracks too."""
    tracker = create(folder, endpoint)
    track(tracker, "before")
    context: Any = multiprocessing.get_context(method)
    children = [
        context.Process(target=work_alone, args=(number, events, folder, endpoint))
        for number in range(workers)
    ]
    for child in children:
        child.start()
    for count in range(events):
        track(tracker, f"parent {count}")
    for child in children:
        child.join()
    say(f"statuses {[child.exitcode for child in children]}")
    say(f"delivered {tracker.flush(8.0)}")


def pool(folder: str, endpoint: str, method: str, workers: int, events: int) -> None:
    """`multiprocessing.Pool`, whose workers are ended by a signal."""
    tracker = create(folder, endpoint)
    track(tracker, "before")
    context = multiprocessing.get_context(method)
    with context.Pool(workers, initializer=remember, initargs=(folder, endpoint)) as running:
        done = running.starmap(work, [(number, events) for number in range(workers * 2)])
    say(f"statuses {done}")
    track(tracker, "after")


def executor(folder: str, endpoint: str, method: str, workers: int, events: int) -> None:
    """`concurrent.futures.ProcessPoolExecutor`."""
    tracker = create(folder, endpoint)
    track(tracker, "before")
    with concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context(method),
        initializer=remember,
        initargs=(folder, endpoint),
    ) as running:
        done = list(running.map(work, range(workers * 2), [events] * workers * 2))
    say(f"statuses {done}")
    track(tracker, "after")


def prefork(folder: str, endpoint: str, workers: int, events: int) -> None:
    """As Celery does: fork from a process that has tracked, work, `os._exit`."""
    tracker = create(folder, endpoint)
    track(tracker, "before")
    children = []
    for number in range(workers):
        pid = os.fork()
        if pid == 0:
            work(number, events)
            os._exit(0)
        children.append(pid)
        track(tracker, f"parent {number}")
    say(f"statuses {[os.waitpid(pid, 0)[1] for pid in children]}")


def subinterpreter(folder: str, endpoint: str) -> None:
    """Make a tracker in an interpreter within this one."""
    import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]  # noqa: PLC0415 - has no public name before 3.14

    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from tests.support.child import create, say, track\n"
        "try:\n"
        f"    tracker = create({folder!r}, {endpoint!r})\n"
        "except Exception as error:\n"
        "    say(f'refused {type(error).__name__}: {error}')\n"
        "else:\n"
        "    track(tracker, 'within')\n"
        "    tracker.close(0)\n"
    )
    interpreter = interpreters.create()
    interpreters.run_string(interpreter, code)
    interpreters.destroy(interpreter)
    say("done")


# --- exceptions -----------------------------------------------------------------------------------


def crash(folder: str, endpoint: str, how: str) -> None:
    """Have what kills the program tracked, as a tracker does by itself."""
    faulthandler.enable()
    if how == "hard hook":  # as a supervisor's agent might: nothing runs after it
        sys.excepthook = lambda *_: os._exit(9)
    tracker = create(folder, endpoint)
    if how == "thread":
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        os._exit(8)
    if how == "task":
        asyncio.run(forget_a_task())
        os._exit(8)
    if how == "segmentation fault":
        track(tracker, "before")
        faulthandler._sigsegv()  # type: ignore[attr-defined] # for tests
    fail()


def fail() -> None:
    """Raise."""
    raise ValueError("broken")


async def forget_a_task() -> None:
    """Leave a task that fails, and that nobody awaits, to the garbage collector."""

    async def failing() -> None:
        fail()

    task = asyncio.create_task(failing())
    await asyncio.sleep(0.01)
    del task


def main() -> None:
    """Do as the command line says."""
    _, action, arguments = sys.argv
    globals()[action](**json.loads(arguments))


if __name__ == "__main__":
    main()
