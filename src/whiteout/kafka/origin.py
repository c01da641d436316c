"""Where the record stood of which a message came: what makes a repeated bad row known."""

from __future__ import annotations

from dataclasses import dataclass

ORIGIN = "whiteout-origin"
"""The header of messages of the failed topic."""

_NUMBER_BITS = 20  # results of one record
_LAST_NUMBER = (1 << _NUMBER_BITS) - 1


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of a result of enrich.

    Attributes:
        source: the partition of the raw topic, as `Topic.source` names it.
        offset: of the record.
        number: of the result among those of the record.
    """

    source: str
    offset: int
    number: int

    def header(self) -> bytes:
        """As the value of a header."""
        return f"{self.offset} {self.number} {self.source}".encode()

    @property
    def rank(self) -> int:
        """A number that grows with the place within its source, for 64 bits."""
        return (self.offset << _NUMBER_BITS) | min(self.number, _LAST_NUMBER)


def read_origin(header: bytes | None) -> Origin | None:
    """The place that a header names; None where there is none, as of other enrichers."""
    parts = (header or b"").decode("utf-8", "replace").split(" ", 2)
    try:
        offset, number = int(parts[0]), int(parts[1])
        return Origin(parts[2], offset, number) if min(offset, number) >= 0 else None
    except (LookupError, ValueError):
        return None
