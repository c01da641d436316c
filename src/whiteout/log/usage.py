"""How much of a disk a log takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What a log takes of its disk.

    Attributes:
        kept_bytes: of its records, those that were committed and not trimmed yet among them.
        free_bytes: of the disk, for this user.
    """

    kept_bytes: int
    free_bytes: int
