"""The log's segment files against a plain SQLite table, in turn in one run.

    python benchmarks/log.py [--rounds 5] [--records 2000]

Appends records of 1,500 bytes in groups of 1, 10 and 100, each group durable before the next,
synced and not; then reads all back. SQLite: WAL, one transaction a group, `synchronous` FULL
(synced) or OFF. Prints microseconds a record, medians of the rounds, and the log's share of
SQLite's time.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whiteout.log import open_log

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORD = os.urandom(1500)


class Case(NamedTuple):
    synced: bool
    group: int


def append_to_log(directory: Path, case: Case, count: int) -> float:
    log = open_log(directory, writer=True, durability="disk" if case.synced else "process")
    start = time.perf_counter()
    for _ in range(count // case.group):
        log.append([RECORD] * case.group)
    elapsed = time.perf_counter() - start
    log.close()
    return elapsed


def append_to_sqlite(directory: Path, case: Case, count: int) -> float:
    directory.mkdir(exist_ok=True)
    connection = sqlite3.connect(directory / "log.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if case.synced else 'OFF'}")
    connection.execute("CREATE TABLE log (number INTEGER PRIMARY KEY, record BLOB)")
    start = time.perf_counter()
    for _ in range(count // case.group):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO log (record) VALUES (?)", [(RECORD,)] * case.group)
        connection.execute("COMMIT")
    elapsed = time.perf_counter() - start
    connection.close()
    return elapsed


def read_from_log(directory: Path, count: int) -> float:
    log = open_log(directory, writer=False)
    start = time.perf_counter()
    offset = 0
    while batch := log.read(offset, max_records=1000, max_bytes=10_000_000):
        offset = batch[-1][0] + 1
    elapsed = time.perf_counter() - start
    log.close()
    if offset != count:
        raise SystemExit(f"read {offset} of {count} records")
    return elapsed


def read_from_sqlite(directory: Path, count: int) -> float:
    connection = sqlite3.connect(directory / "log.db")
    start = time.perf_counter()
    last = 0
    query = "SELECT number, record FROM log WHERE number > ? ORDER BY number LIMIT 1000"
    while batch := connection.execute(query, (last,)).fetchall():
        last = batch[-1][0]
    elapsed = time.perf_counter() - start
    connection.close()
    if last != count:
        raise SystemExit(f"read {last} of {count} records")
    return elapsed


def _row(title: str, ours: Sequence[float], theirs: Sequence[float], count: int) -> None:
    us = [statistics.median(times) / count * 1e6 for times in (ours, theirs)]
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(
        f"{title:28} {us[0]:10.1f} {us[1]:10.1f} {statistics.median(ratios):8.2f}"
        f"   ({min(ratios):.2f}-{max(ratios):.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--directory", type=Path, help="where to write; a real disk, not tmpfs")
    arguments = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, SQLite", end=" ")
    print(f"{sqlite3.sqlite_version}, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print(f"{'us a record':28} {'log':>10} {'SQLite':>10} {'share':>8}   (min-max)")
    cases = [Case(synced, group) for synced in (True, False) for group in (1, 10, 100)]
    reads: list[tuple[float, float]] = []
    for case in cases:
        # Groups of one are synced one by one: a tenth of the records is enough.
        count = arguments.records // 10 if case == (True, 1) else arguments.records
        rounds: list[tuple[float, float]] = []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
                ours, theirs = Path(name, "log"), Path(name, "sqlite")
                rounds.append(
                    (append_to_log(ours, case, count), append_to_sqlite(theirs, case, count))
                )
                if case.group == 100:
                    reads.append((read_from_log(ours, count), read_from_sqlite(theirs, count)))
        title = f"append {case.group:3}, {'synced' if case.synced else 'not synced'}"
        _row(title, [a for a, _ in rounds], [b for _, b in rounds], count)
    _row("read", [a for a, _ in reads], [b for _, b in reads], arguments.records)


if __name__ == "__main__":
    main()
