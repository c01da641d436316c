"""The last remote file that was fetched, on disk: `remote-<digest of its URL>.json`, mode 0600.

Only what was fetched is in it, never defaults or live changes (leak L27b), and of a subject only
what does not identify (leak L24). The URL itself is not: its query may hold a token. What is read
back passes the same parser as what comes from the network.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ProtocolError
from whiteout.tracker.remote.document import (
    MAX_BYTES,
    Document,
    encode,
    has_more_than_rests,
    knows,
    parse,
    read_json,
)

if TYPE_CHECKING:
    from pathlib import Path

_MARK: Final = "whiteout"
_MAX_NAMES: Final = 128
_PATH: Final = re.compile(r"[A-Za-z]{1,40}\.[A-Za-z0-9]{1,64}")


class RemoteCache:
    """The cached file of one remote endpoint.

    Owner: one thread at a time, which its user sees to. A folder of None keeps nothing. Reading
    tolerates anything, writing replaces the file in one step.

    Args:
        folder: the tracker's.
        endpoint: the remote file's URL; another endpoint has another file (R7).
    """

    def __init__(self, folder: Path | None, endpoint: str) -> None:
        self._digest = hashlib.blake2b(endpoint.encode(), digest_size=16).hexdigest()
        self._path = folder / f"remote-{self._digest}.json" if folder is not None else None

    def load(self) -> Document | None:
        """What was stored; None: nothing that can be understood."""
        if self._path is None:
            return None
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            mark = read_json(content).get(_MARK)
            if not isinstance(mark, dict) or mark.get("endpoint") != self._digest:
                return None
            document = parse(content, lambda _where, _what: None)
        except (OSError, ProtocolError):
            return None
        unsure = frozenset(_texts(mark.get("unsure"))) | document.unsure
        left_out = frozenset(p for p in _texts(mark.get("leftOut")) if _PATH.fullmatch(p))
        if any(knows(path) for path in left_out):
            # This version knows an option that the file set and the one that stored it did not:
            # nothing is known until the file is fetched again.
            unsure |= frozenset(document.bundles)
        return replace(
            document,
            unsure=unsure,
            left_out=left_out,
            is_complete=mark.get("complete") is True and not unsure,
        )

    def store(self, document: Document) -> bool:
        """Keep what was fetched; False: the disk refused.

        A file that another process has stored meanwhile stays if it is newer.
        """
        if self._path is None:
            return True
        stored = self.load()
        if stored is not None and stored.version > document.version:
            return True
        mark: dict[str, Any] = {
            "endpoint": self._digest,
            "unsure": sorted(document.unsure),
            "leftOut": sorted(document.left_out),
            "complete": not has_more_than_rests(document),
        }
        content = encode(document, {_MARK: mark})
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with open(temporary, "wb", opener=_private_opener) as file:
                file.write(content)
            temporary.replace(self._path)
        except OSError:
            return False
        return True

    def forget(self) -> bool:
        """Delete it; False: the disk refused."""
        if self._path is None:
            return True
        try:
            for path in (self._path, *self._path.parent.glob(f"{self._path.stem}.*.tmp")):
                path.unlink(missing_ok=True)
        except OSError:
            return False
        return True


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        return []
    return [item for item in value[:_MAX_NAMES] if isinstance(item, str)]
