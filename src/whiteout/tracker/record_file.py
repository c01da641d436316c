"""Small files of JSON that are replaced in one step, for their owner only.

Reading tolerates anything, and nothing raises: what cannot be remembered is no reason to hurt the
app.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from pathlib import Path

_MAX_FILE_BYTES: Final = 65_536
_UUID: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


def read_record(path: Path | None) -> dict[str, Any]:
    """What a file says; empty where there is none, or it cannot be understood."""
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            record = json.loads(file.read(_MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(path: Path, record: dict[str, Any]) -> bool:
    """Replace the file; False: the disk refused. One thread of a process at a time."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", opener=_private_opener) as file:
            json.dump(record, file)
        temporary.replace(path)
    except OSError:
        return False
    return True


def erase_record(path: Path) -> bool:
    """Erase the file, and what processes killed while they wrote it have left; False: refused."""
    try:
        for each in (path, *path.parent.glob(f"{path.stem}.*.tmp")):
            each.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def is_uuid(value: object) -> TypeGuard[str]:
    """Whether that is a UUID in lower case."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
