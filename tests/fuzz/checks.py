"""What must hold of every answer, record and result; and where each input went."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from whiteout.enrich import BadRow, Dropped, EnrichedEvent, Enricher
from whiteout.enrich.atomic import ATOMIC_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.collector.exchange import Outcome

_LINES = re.compile(rb"(?:[A-Za-z0-9-]+: [^\r\n\x00]*\r\n)*")
_ENDS = frozenset("\n\r\x00\x0b\x0c\x1c\x1d\x1e\x85")


class FaultError(AssertionError):
    """Something that must not happen."""


def hold(claim: object, message: str) -> None:
    """Complain where `claim` does not hold; unlike `assert` under `python -O` too."""
    if not claim:
        raise FaultError(message)


def check_outcome(outcome: Outcome, *, is_event: bool) -> str:
    """See that an answer is whole; tells what became of the request.

    Args:
        outcome: of the core.
        is_event: whether the request is one that is stored.
    """
    status, lines, _ = outcome.response
    hold(200 <= status < 500, f"answered {status}")
    hold(_LINES.fullmatch(lines), "an answer's lines are not whole")
    stored = len(outcome.records) + len(outcome.bad_rows)
    for row in outcome.bad_rows:
        json.loads(row)
    if is_event and status in (200, 302):
        hold(stored, "answered as if stored, and nothing is")
    if not is_event:
        hold(not stored, "stored what is no event")
    if stored:
        return "stored"
    return "refused" if status >= 400 else "answered"


def check_records(
    enricher: Enricher, records: Iterable[bytes], expected: int | None, *, is_whole: bool
) -> Counter[str]:
    """Enrich records; counts what came of them: good, failed, dropped.

    Args:
        enricher: see there.
        records: of one request.
        expected: how many events they hold, where that is known.
        is_whole: whether the records hold all of them.
    """
    counts: Counter[str] = Counter()
    for record in records:
        results = enricher.enrich(record)
        hold(results, "nothing came of a record")
        counts.update(map(_check_result, results))
    if expected is not None:
        total = counts.total()
        hold(total == expected if is_whole else total <= expected, f"{total} of {expected} events")
    return counts


def check_no_canary(enricher: Enricher, outcome: Outcome, canaries: Sequence[bytes]) -> None:
    """See that nothing that is kept of an anonymous request says whose it was.

    Base64 hides what is in it: so what enrich makes of the records is looked at too.
    """
    kept = [*outcome.records, *outcome.bad_rows]
    for record in outcome.records:
        for result in enricher.enrich(record):
            if isinstance(result, BadRow):
                kept.append(result.json().encode())
            elif isinstance(result, EnrichedEvent):
                kept.append(result.tsv().encode())
    for canary in canaries:
        hold(not any(canary in one for one in kept), "an anonymous request said whose it was")


def _check_result(result: object) -> str:
    if isinstance(result, Dropped):
        return "dropped"
    if isinstance(result, BadRow):
        row = result.json()
        hold("\n" not in row and "\r" not in row, "a bad row is more than a line")
        data = json.loads(row)["data"]
        hold(set(data) == {"processor", "failure", "payload"}, "a bad row lacks a part")
        hold("/generic_error/" not in result.schema, "enrich did not expect it")
        return "failed"
    line: str = result.tsv()  # type: ignore[attr-defined] # the only other kind
    hold(line.count("\t") == len(ATOMIC_COLUMNS) - 1, "a line has other columns")
    hold(not _ENDS.intersection(line), "a line is broken")
    hold(line.encode().decode() == line, "a line is no text")
    return "good"


_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]*\r\n((?:[A-Za-z0-9-]+: [^\r\n]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"^Content-Length: (\d+)\r$", re.MULTILINE)
_GIF = b"Content-Type: image/gif\r\n"


def check_answers(received: bytes) -> Counter[str]:
    """Take the answers on a connection apart: stored, refused, answered."""
    counts: Counter[str] = Counter()
    while received:
        head = _HEAD.match(received)
        if head is None:
            raise FaultError("what came back is no HTTP answer")
        status, lines = int(head[1]), head[2]
        received = received[head.end() :]
        if status == 100:
            continue
        hold(status < 500, f"answered {status}")
        length = _LENGTH.search(lines)
        content = b""
        if length and not received.startswith(b"HTTP/1.1 "):  # to HEAD there is no content
            content, received = received[: int(length[1])], received[int(length[1]) :]
            hold(len(content) in (0, int(length[1])), "an answer is cut")
        if status == 200 and (_GIF in lines or content == b"ok"):
            counts["stored"] += 1
        else:
            counts["refused" if status >= 400 else "answered"] += 1
    return counts


def report(counts: Counter[str], order: Sequence[str]) -> str:
    """Counts in one line."""
    return ", ".join(f"{counts[name]:,} {name}" for name in order)
