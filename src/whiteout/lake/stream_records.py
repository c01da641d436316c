"""A message of a stream, as the loader takes it: an event's row, or why it is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.enrich.event import BadRow
from whiteout.enrich.tsv import NotEnrichedError, read_tsv
from whiteout.errors import LogError
from whiteout.lake.batch import Row
from whiteout.lake.failed import (
    LOADER_PARSING_ERROR,
    PROCESSOR,
    error_name,
    from_bad_row,
    generic_error,
)
from whiteout.lake.keys import key_of

if TYPE_CHECKING:
    from typing import Any

    from whiteout.lake.failed import FailedEvent

NOT_STORED = "it cannot be stored"


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A message.

    Attributes:
        source: its partition.
        offset: in it.
        value: its bytes.
        origin: of a bad row, the partition and the place (a growing number) of the record of which
            it came; None where nobody knows.
    """

    source: str
    offset: int
    value: bytes
    origin: tuple[str, int] | None = None


class TakenOverError(LogError):
    """Another loader has loaded from a partition that this one thought its own."""


def read_record(record: StreamRecord, *, now_ms: int) -> Row | FailedEvent:
    """The row of an enriched line, its parts not cast yet; a failed event where it is none."""
    try:
        event = read_tsv(record.value.decode())
    except UnicodeDecodeError as error:
        return as_bytes(record, error_name(error), now_ms=now_ms)
    except NotEnrichedError as error:
        return _parsing_error(error, record.value)
    return Row(event, key_of(event), (record.offset, 0))


def as_bytes(record: StreamRecord, what: str, *, now_ms: int) -> FailedEvent:
    """A failed event that holds the message as it is; `what` says only the kind of failure."""
    return from_bad_row(generic_error(what, record.value, now_ms=now_ms))


def _parsing_error(error: NotEnrichedError, value: bytes) -> FailedEvent:
    """What Snowplow's loaders say of a line that they cannot read."""
    failure: dict[str, Any]
    if error.column is None and error.count == 1:
        failure = {"type": "NotTSV"}
    elif error.column is None:
        failure = {"type": "FieldNumberMismatch", "fieldCount": error.count}
    else:
        wrong = {
            "type": "InvalidValue",
            "key": error.column,
            "value": error.text or "",
            "message": str(error),
        }
        failure = {"type": "RowDecodingError", "errors": [wrong]}
    data = {"processor": PROCESSOR, "failure": failure, "payload": value.decode()}
    return from_bad_row(BadRow(LOADER_PARSING_ERROR, data))
