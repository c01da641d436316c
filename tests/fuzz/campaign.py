"""Random and mutated requests through the collector's core, sockets and enrich, all accounted for.

Four ways, in turn by the number of the input:

- *core*: a request straight into the collector's core, under three configurations; every record
  that comes out goes through enrich, with all enrichments on or with the default ones. Each event
  of a body is one result: good, failed or dropped by a rule that is switched on.
- *record*: a record mutated before enrich reads it.
- *anonymous*: a request that asks for anonymity, with a canary in every place that could say whose
  it is; none is in a record, in a bad row, or in what enrich makes of them.
- *socket*: requests as bytes, some framed as no client should, several on a connection, to a
  collector that listens. Every connection ends in time, nothing is answered with 5xx, and the log
  holds exactly what was answered as stored.

Number and seed make the input: a fault names them, and `--first N --count 1` does it again.
"""

from __future__ import annotations

import argparse
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from tests.fuzz.checks import (
    FaultError,
    check_answers,
    check_no_canary,
    check_outcome,
    check_records,
    hold,
    report,
)
from tests.fuzz.inputs import CANARY, Asked, anonymous, asked, mutated, raw_request
from tests.support.all_enrichments import configure_all

from whiteout.collector.core import Core
from whiteout.collector.exchange import Request
from whiteout.collector.settings import (
    CollectorSettings,
    CookieBounce,
    CrossDomain,
    RootResponse,
)
from whiteout.enrich import Enricher, read_folder
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.log import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOW_MS = 1_700_000_000_123
_SOCKET_EVERY, _RECORD_EVERY = 10, 5
_ANONYMOUS = 7  # in ten
_PEER = "198.51.100.7"
_ANSWER_S = 20.0
_SETTINGS = (
    CollectorSettings(),
    CollectorSettings(  # everything on
        client_cookie_name="spc",
        cookie_domains=("shop.example",),
        stored_cookies=("theme",),
        cookie_bounce=CookieBounce(),
        honour_global_privacy_control=True,
        anonymous_parameter="sp-anonymous",
        trusted_proxies=1,
        forwarded_header="Forwarded",
        cors_origins=("https://shop.example",),
        paths={"/acme/go": "/r/tp2"},
        redirect_domains=("shop.example",),
        default_redirect=True,
        root_response=RootResponse(),
        cross_domain=CrossDomain(),
        hsts_max_age_s=60,
    ),
    CollectorSettings(max_bytes=1500, max_payload_bytes=6000),  # much has to be split
)
_STORED_METHODS = (b"GET", b"HEAD", b"POST")


@dataclass
class Campaign:
    """One run. `counts` has what became of requests, `results` of events.

    Args:
        seed: with an input's number it makes the input.
        folder: for lists and logs.
    """

    seed: int
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        configurations = self.folder / "enrichments"
        configurations.mkdir()
        configure_all(configurations, privacy=True)
        (configurations / "python_script_config.json").unlink()  # has a process of its own
        dice = random.Random(self.seed)

        def new_uuid() -> UUID:
            return UUID(int=dice.getrandbits(128), version=4)

        self._new_uuid = new_uuid
        everything = read_folder(configurations).enrichments
        self._enrichers = [
            Enricher(
                Resolver([EmbeddedRegistry()]),
                now_ms=lambda: NOW_MS,
                new_uuid=new_uuid,
                enrichments=enrichments,
            )
            for enrichments in (None, everything)
        ]
        self._cores = [Core(settings) for settings in _SETTINGS]

    def run(self, first: int, count: int, *, progress_every: int = 0) -> None:
        """Try inputs.

        Raises:
            FaultError: one is not accounted for; the message names its number.
        """
        wires: list[int] = []
        for number in range(first, first + count):
            if number % _SOCKET_EVERY == 0:
                wires.append(number)
            else:
                self._guarded(number)
            if progress_every and (number + 1 - first) % progress_every == 0:
                self._say(number + 1 - first)
        if wires:
            self._sockets(wires)

    def _guarded(self, number: int) -> None:
        dice = random.Random(f"{self.seed}/{number}")
        try:
            if number % _RECORD_EVERY == 1:
                self._record(dice)
            elif number % _SOCKET_EVERY == _ANONYMOUS:
                self._anonymous(dice)
            else:
                self._core(dice, asked(dice))
        except Exception as error:
            raise FaultError(f"--seed {self.seed} --first {number}: {error!r}") from error

    def _request(self, one: Asked) -> Request:
        return Request.of(one.method, one.target, one.headers, one.body, _PEER)

    def _core(self, dice: random.Random, one: Asked) -> None:
        which = dice.randrange(len(self._cores))
        outcome = self._cores[which].handle(self._request(one), NOW_MS, self._new_uuid)
        path = one.target.partition(b"?")[0]
        two = path.count(b"/") == 2 and not path.endswith(b"/") and b"//" not in path
        pixel = path in (b"/i", b"/ice.png") and one.method != b"POST"
        is_event = (two or pixel) and one.method in _STORED_METHODS
        if path.startswith(b"/r/") and which != 1:
            is_event = False
        if (
            which == 1 and outcome.response.status == 302 and path != b"/"
        ):  # a browser is tested, and comes again
            hold(b"Location: " in outcome.response.lines, "sent nowhere")
            is_event = bool(outcome.records or outcome.bad_rows)
        self.counts[check_outcome(outcome, is_event=is_event)] += 1
        expected = one.events if outcome.records or outcome.bad_rows else None
        self.results += check_records(
            dice.choice(self._enrichers),
            outcome.records,
            expected,
            is_whole=not outcome.bad_rows,
        )
        self.results["failed at the collector"] += len(outcome.bad_rows)

    def _anonymous(self, dice: random.Random) -> None:
        which = dice.randrange(len(self._cores))
        one = anonymous(dice, by_parameter=which == 1 and dice.random() < 0.5)
        outcome = self._cores[which].handle(self._request(one), NOW_MS, self._new_uuid)
        check_no_canary(dice.choice(self._enrichers), outcome, (CANARY.encode(), _PEER.encode()))
        self.counts["anonymous"] += bool(outcome.records or outcome.bad_rows)

    def _record(self, dice: random.Random) -> None:
        one = asked(dice)
        outcome = self._cores[0].handle(self._request(one), NOW_MS, self._new_uuid)
        records = [mutated(dice, record) for record in outcome.records]
        records = records or [dice.randbytes(dice.randrange(400))]
        self.counts["records"] += len(records)
        enricher = dice.choice(self._enrichers)
        self.results += check_records(enricher, records, None, is_whole=False)

    def _sockets(self, numbers: Sequence[int]) -> None:
        logs = self.folder / f"wire-{numbers[0]}"
        stored = 0
        dice = random.Random(f"{self.seed}/wires/{numbers[0]}")
        with collector(logs) as port:
            left = list(numbers)
            while left:
                group = left[: dice.choice((1, 1, 2, 4, 8))]
                left = left[len(group) :]
                stored += self._wire(port, group)
        self.results += self._read(logs, stored)

    def _wire(self, port: int, numbers: Sequence[int]) -> int:
        """Send requests on one connection, all at once, and read until it ends."""
        dice = [random.Random(f"{self.seed}/{number}") for number in numbers]
        sent = b"".join(map(raw_request, dice))
        try:
            answers = check_answers(exchange(port, sent))
        except (FaultError, OSError) as error:
            which = f"--seed {self.seed} --first {numbers[0]}, {len(numbers)} on one connection"
            raise FaultError(f"{which}: {error!r}") from error
        self.counts += answers
        # The rest of a connection is not read after a request that is in doubt, or the last one.
        self.counts["never begun"] += max(len(numbers) - answers.total(), 0)
        return answers["stored"]

    def _read(self, logs: Path, stored: int) -> Counter[str]:
        found: Counter[str] = Counter()
        kept = 0
        for name in ("raw", "bad"):
            log = open_log(logs / "log" / name, writer=False)
            try:
                offset = 0
                while batch := list(log.read(offset, max_records=1000, max_bytes=10_000_000)):
                    offset = batch[-1][0] + 1
                    kept += len(batch)
                    if name == "raw":
                        rows = [record for _, record in batch]
                        found += check_records(self._enrichers[0], rows, None, is_whole=True)
            finally:
                log.close()
        hold(kept == stored, f"{stored} requests were answered as stored, the log has {kept}")
        return found

    def _say(self, done: int) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        sys.stdout.write(f"{done:,} tried, {peak} MB at most\n")
        sys.stdout.flush()


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes on a connection of their own; returns all that comes back until it ends."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before all of it was there
        while True:
            try:
                piece = connection.recv(65_536)
            except ConnectionResetError:
                break
            if not piece:
                break
            received += piece
    return bytes(received)


@contextmanager
def collector(folder: Path) -> Iterator[int]:
    """The real command with its default settings; gives its port. It must end well."""
    way = ["collector", "--to", f"spool://{folder}", "--port", "0", "--durability", "process"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "whiteout.cli", *way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rsplit(":", 1)[1])
        process.terminate()
        _, errors = process.communicate(timeout=_ANSWER_S)
        hold(process.returncode == 0 and not errors, f"the collector complained: {errors}")
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """The command: exit status 1 and the input's number where something is not accounted for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(arguments.seed, Path(folder))
        try:
            campaign.run(arguments.first, arguments.count, progress_every=50_000)
        except FaultError as fault:
            raise SystemExit(f"not accounted for: {fault}") from fault
    inputs = ("stored", "answered", "refused", "never begun", "records")
    events = ("good", "failed", "dropped", "failed at the collector")
    print(f"requests: {report(campaign.counts, inputs)}")  # noqa: T201 - a command
    print(f"events: {report(campaign.results, events)}")  # noqa: T201 - a command
    print(f"{time.monotonic() - started:.0f} s")  # noqa: T201 - a command
