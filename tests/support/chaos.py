"""The pipeline in one thread, with faults at the places where a process can die or a disk be full.

Real are the collector's core and sink, the log, enrich, the loader and Delta Lake. A kill is an
exception at one of their steps towards the disk: before it, after it or in the middle. Whoever was
at work is thrown away then, and made anew from what is on the disk. A full disk is real: the system
takes no file beyond a size.
"""

from __future__ import annotations

import contextlib
import json
import resource
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from whiteout.collector.core import Core
from whiteout.collector.exchange import Request
from whiteout.collector.settings import CollectorSettings, Limits
from whiteout.collector.sink import LogSink
from whiteout.enrich import Enricher
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.lake.loader import Loader
from whiteout.lake.reader import Lake
from whiteout.lake.seen import SeenEvents
from whiteout.lake.settings import LoaderSettings, Source
from whiteout.lake.tables import LakeTable
from whiteout.log import open_log, segment_log

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout.log import Log

TP2 = b"/com.snowplowanalytics.snowplow/tp2"
PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
LOG_BYTES = 12_000
JUMPS_MS = (-400 * DAY_MS, -3 * DAY_MS, -60_000, -1, 1000, 3_600_000, 3 * DAY_MS, 400 * DAY_MS)
ROOMS = (0, 100, 1000, 5000, 60_000)  # bytes of the largest file that a full disk still takes


class KilledError(BaseException):
    """Whoever is at work is no more."""


class Reaper:
    """Kills at the n-th step towards the disk from now on.

    Attributes:
        kills: how many there were, by the step.
    """

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._left = 0
        self.kills: Counter[str] = Counter()

    def aim(self, steps: int) -> None:
        """Kill at one of the next `steps`; not at all where there are fewer."""
        self._left = self._dice.randint(1, steps)

    def rest(self) -> None:
        """Kill nobody."""
        self._left = 0

    def at(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """That step, and death beside it."""

        def step(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the step's own
            self._left -= 1
            if self._left:
                return real(*arguments, **named)
            self.kills[name] += 1
            way = self._dice.randrange(3)
            if way == 1 and name == "write":  # torn
                descriptor, position, parts = arguments
                whole = b"".join(parts)
                real(descriptor, position, (whole[: self._dice.randrange(len(whole))],))
            elif way == 2:
                real(*arguments, **named)
            raise KilledError

        return step

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Stand beside all steps."""
        with pytest.MonkeyPatch.context() as patch:
            # A kill is no power loss: nothing has to reach the disk.
            patch.setattr(segment_log, "sync_data", lambda descriptor: None)
            patch.setattr(segment_log, "sync_directory", lambda directory: None)
            for name, owner, attribute in (
                ("write", segment_log, "write_at"),
                ("sync", segment_log, "sync_data"),
                ("replace", segment_log, "replace_file"),
                ("commit", LakeTable, "append"),
                ("index", SeenEvents, "add"),
            ):
                patch.setattr(owner, attribute, self.at(name, getattr(owner, attribute)))
            yield


@contextlib.contextmanager
def full_disk(room: int | None) -> Iterator[None]:
    """No file can grow beyond so many bytes; None: the disk has room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Turns:
    """An event loop, as far as the sink knows it: one turn at a time, by a clock of its own."""

    def __init__(self) -> None:
        self._calls: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._now_s = 0.0

    def time(self) -> float:
        self._now_s += 2.0  # long enough for whoever looks once a second
        return self._now_s

    def call_soon(self, call: Callable[..., object], *arguments: object) -> None:
        self._calls.append((call, arguments))

    def turn(self) -> None:
        while self._calls:
            call, arguments = self._calls.pop(0)
            call(*arguments)


class Waiting:
    """A client that has sent a request."""

    accepted: bool | None = None  # no answer

    def stored(self, ok: bool) -> None:  # noqa: FBT001 - as the sink's waiters have it
        self.accepted = ok


class Chaos:
    """One schedule of faults, made by its seed: `run` it, then `heal` and `check`.

    Attributes:
        faults: what happened, by kind.
    """

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self._folder, self._dice = folder, dice
        self._now_ms = NOW_MS
        self._jump_ms = 0
        self._room: int | None = None
        self._lost_answers = 0.3  # of all
        self._pause = 0  # turns that the lake takes nothing
        self._reaper = Reaper(dice)
        self._collector: tuple[LogSink, Turns, list[Log]] | None = None
        self._loader: tuple[Loader, list[Log]] | None = None
        self._core = Core(CollectorSettings())
        resolver = Resolver([EmbeddedRegistry()])
        self._lookup = resolver.lookup
        self._enricher = Enricher(resolver, now_ms=self.now_ms, new_uuid=self._uuid)
        self._unanswered: list[list[dict[str, str]]] = []
        self._accepted: Counter[str] = Counter()
        self._deliveries: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_collector()
        self._end_loader()

    def now_ms(self) -> int:
        """The clock of everybody, right or wrong."""
        self._now_ms += 7
        return self._now_ms + self._jump_ms

    @property
    def kills(self) -> Counter[str]:
        """How many there were, by the step at which somebody died."""
        return self._reaper.kills

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._dice.getrandbits(128), version=4)

    # --- what happens ----------------------------------------------------------------------------

    def run(self, turns: int) -> None:
        """So many turns: a fault or none, clients that send, a lake that is loaded."""
        with self._reaper.at_work():
            for _ in range(turns):
                self._fault()
                for _ in range(self._dice.randint(0, 3)):
                    self._unanswered.append(self._events())
                with full_disk(self._room):
                    self._send()
                    if self._pause:
                        self._pause -= 1
                    else:
                        self._load()

    def heal(self) -> None:
        """All faults are over; everybody sends what is left, and all is loaded."""
        self._reaper.rest()
        self._room, self._pause, self._jump_ms, self._lost_answers = None, 0, 0, 0.0
        for _ in range(20):
            # A lake that knows a clock of a year ago believes another after a day.
            self._now_ms += DAY_MS // 10
            self._send()
            self._load()
        if self._unanswered:
            raise AssertionError("the collector does not recover")
        while self._loader is not None and self._loader[0].load():
            pass

    def check(self) -> None:
        """Each accepted event is in the lake once; nothing is there that nobody sent."""
        good, bad = self._found("events"), self._found("failed_events")
        assert self._accepted.keys() - good.keys() - bad.keys() == set(), "lost"
        assert [one for one, count in good.items() if count > 1] == [], "doubled"
        assert good.keys() & bad.keys() == set()
        # A failed event has no key of its own: each delivery that was taken is one.
        for one, count in bad.items():
            assert self._accepted[one] <= count <= self._deliveries[one]
        assert good.keys() | bad.keys() == self._deliveries.keys()

    def _found(self, table: str) -> Counter[str]:
        found = Lake(self._folder / "lake").query(f"SELECT event_id FROM {table}")  # noqa: S608 - ours
        return Counter(found["event_id"].to_pylist())

    def _fault(self) -> None:
        fault = self._dice.choice(
            ["none", "none", "kill", "kill", "end", "full disk", "room", "clock", "right", "slow"]
        )
        self.faults[fault] += 1
        match fault:
            case "kill":
                self._reaper.aim(5)
            case "end":
                self._dice.choice([self._end_collector, self._end_loader])()
            case "full disk":
                self._room = self._dice.choice(ROOMS)
            case "room":
                self._room = None
            case "clock":
                self._jump_ms += self._dice.choice(JUMPS_MS)
            case "right":
                self._jump_ms = 0
            case "slow":
                self._pause = self._dice.randint(1, 8)
            case _:
                pass

    # --- clients and collector -------------------------------------------------------------------

    def _events(self) -> list[dict[str, str]]:
        made = []
        for _ in range(self._dice.randint(1, 3)):
            platform = "no such platform" if self._dice.random() < 0.2 else "pc"
            base = {"e": "pv", "tv": "test-1", "aid": "shop", "tna": "t", "dtm": str(NOW_MS)}
            made.append({**base, "p": platform, "eid": str(self._uuid())})
        return made

    def _send(self) -> None:
        """All that has no answer yet, again."""
        unanswered, self._unanswered = self._unanswered, []
        for events in unanswered:
            if not self._post(events):
                self._unanswered.append(events)

    def _post(self, events: list[dict[str, str]]) -> bool:
        body = json.dumps({"schema": PAYLOAD_DATA, "data": events}).encode()
        headers = [(b"Content-Type", b"application/json")]
        request = Request.of(b"POST", TP2, headers, body, "198.51.100.7")
        outcome = self._core.handle(request, self.now_ms(), self._uuid)
        waiting = Waiting()
        try:
            sink, turns, _ = self._collector = self._collector or self._new_collector()
            if not sink.submit(outcome.records, outcome.bad_rows, waiting):
                self.faults["refused"] += 1
                return False
            self._deliveries.update(event["eid"] for event in events)
            turns.turn()
        except KilledError:
            self._end_collector()
        except Exception as error:  # noqa: BLE001 - a full disk: it is started again, later
            self.faults[type(error).__name__] += 1
            self._end_collector()
        if waiting.accepted:
            self._accepted.update(event["eid"] for event in events)
        # An answer that is lost sends the events again.
        return bool(waiting.accepted) and self._dice.random() > self._lost_answers

    def _new_collector(self) -> tuple[LogSink, Turns, list[Log]]:
        with contextlib.ExitStack() as stack:
            logs: list[Log] = []
            for name in ("raw", "bad"):
                log = open_log(self._folder / "log" / name, writer=True)
                stack.callback(log.close)
                logs.append(log)
            stack.pop_all()
        turns = Turns()
        limits = Limits(log_bytes=LOG_BYTES, free_bytes=0)
        loop = cast("asyncio.AbstractEventLoop", turns)
        raw, bad = logs
        return LogSink(raw, bad, loop, threaded=False, limits=limits), turns, logs

    def _end_collector(self) -> None:
        if self._collector is not None:
            for log in self._collector[2]:
                log.close()  # no more than what the system does for the dead
        self._collector = None

    # --- loader ----------------------------------------------------------------------------------

    def _load(self) -> None:
        try:
            loader, _ = self._loader = self._loader or self._new_loader()
            while loader.load() and self._dice.random() < 0.8:
                pass
            loader.settle()
            if self._collector is not None:
                self._collector[0].trim()
        except KilledError:
            self._end_loader()
        except Exception as error:  # noqa: BLE001 - the lake cannot be written, or the clock is wrong
            self.faults[type(error).__name__] += 1

    def _new_loader(self) -> tuple[Loader, list[Log]]:
        logs = [open_log(self._folder / "log" / name, writer=False) for name in ("raw", "bad")]
        try:
            loader = Loader(
                self._folder / "lake",
                raw=Source(log=logs[0], name="raw"),
                bad=Source(log=logs[1], name="bad"),
                enrich=self._enricher.enrich_all,
                fault=self._enricher.fault,
                lookup=self._lookup,
                settings=LoaderSettings(max_records=self._dice.choice([2, 5, 1000]), durable=False),
                now_ms=self.now_ms,
            )
        except BaseException:
            for log in logs:
                log.close()
            raise
        return loader, logs

    def _end_loader(self) -> None:
        if self._loader is not None:
            self._loader[0].close()
            for log in self._loader[1]:
                log.close()
        self._loader = None
