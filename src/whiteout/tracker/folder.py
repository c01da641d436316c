"""Where a tracker keeps its files, and how a namespace stands in their names."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from whiteout.tracker.counters import Counters

VARIABLE: Final = "WHITEOUT_TRACKER_FOLDER"
"""Names the folder of trackers without a `storage_dir`, such as those of an app under test."""

_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_]+")


def safe_name(namespace: str) -> str:
    """The namespace as part of a file name.

    Each run of other characters becomes one dash, as in the native trackers (reference 4.2); a
    short hash keeps `a b` and `a-b` apart, which collide there, and `shop` and `Shop`, which are
    one file where file names have no case.
    """
    name = _UNSAFE.sub("-", namespace)[:80]
    if name == namespace == namespace.lower():
        return name
    digest = hashlib.blake2b(namespace.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{name}-{digest}"


def open_folder(storage_dir: str | os.PathLike[str] | None, counters: Counters) -> Path | None:
    """Make sure that the folder is there and can be written; None: keep everything in memory."""
    import tempfile  # noqa: PLC0415 - not before there is a tracker

    storage_dir = storage_dir or os.environ.get(VARIABLE) or None
    if storage_dir is None:
        from platformdirs import user_data_path  # noqa: PLC0415 - loads a module a system

        folder = user_data_path("whiteout", appauthor=False) / "tracker"
    else:
        folder = Path(storage_dir).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        counters.warn(
            "folder",
            f"the storage folder cannot be written ({type(error).__name__}): events are kept in "
            "memory and are lost when the process ends; set storage_dir to a folder that can",
        )
        return None
