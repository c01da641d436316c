"""What is kept of an erasure: that it happened, never of whom in clear."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from whiteout.lake.failed import iso_time

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.lake.erasure import Erased, Erasure

VERSION = 1


def receipt(
    erasure: Erasure, erased: Erased, *, started_ms: int, ended_ms: int, salt: bytes
) -> dict[str, Any]:
    """The receipt of an erasure, as JSON.

    The subject is named by slow salted hashes: who holds the receipt and a suspected identifier can
    tell that they belong together, and nobody can read the identifier from it.
    """
    return {
        "receipt": VERSION,
        "started_at": iso_time(started_ms),
        "ended_at": iso_time(ended_ms),
        "dry_run": erasure.dry_run,
        "anywhere": erasure.anywhere,
        "subject": erasure.subject.hashes(salt),
        "lake": erasure.place.url,
        "rows_deleted": erased.rows,
        "log_records_changed": erased.records,
        "files_removed": sorted(erased.files),
        "rows_that_mention": erased.mentions,
        "not_reached": erased.not_reached,
    }


def write_receipt(document: dict[str, Any], path: Path) -> None:
    """Write a receipt for its owner only; never over another one.

    Raises:
        FileExistsError: there is a file of that name.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
