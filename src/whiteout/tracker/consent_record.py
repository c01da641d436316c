"""What the user answered last, kept so that it survives this process; and what follows from it.

`<namespace>.consent.json` is beside the tracker's own files. It never identifies: under user
anonymity it holds no document ids, as an app may have made those for one user, and no exact time.
Owner: `whiteout.tracker.consent`, under its lock.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import Pending

if TYPE_CHECKING:
    from pathlib import Path

_MAX_FILE_BYTES: Final = 65_536
_MAX_DOCUMENTS: Final = 100
_MAX_ID: Final = 36  # characters; the schema's limit
_HOUR_MS: Final = 3_600_000


class ConsentState(enum.Enum):
    """What the user has answered."""

    UNKNOWN = "unknown"
    GIVEN = "given"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """The last answer.

    Attributes:
        state: UNKNOWN as well after consent has expired.
        level: no start is less anonymous than this.
        decided_at_ms: Unix epoch milliseconds; cut to the hour under user anonymity.
        expires_at_ms: when consent that was given ends; None: it does not.
        documents: id and version of those that consent was given to; none under user anonymity.
        pending: what is owed to events that waited when consent was withdrawn; KEEP: nothing.
    """

    state: ConsentState = ConsentState.UNKNOWN
    level: Anonymisation = Anonymisation.NONE
    decided_at_ms: int | None = None
    expires_at_ms: int | None = None
    documents: tuple[tuple[str, str], ...] = ()
    pending: Pending = Pending.KEEP

    def storable(self) -> ConsentRecord:
        """As it may be on the disk."""
        if Anonymisation.USER not in self.level:
            return self
        at_ms = self.decided_at_ms
        return replace(
            self,
            documents=(),
            decided_at_ms=None if at_ms is None else at_ms - at_ms % _HOUR_MS,
        )

    def has_expired(self, now_ms: int) -> bool:
        """Whether consent was given, and has ended by itself."""
        expires_at_ms = self.expires_at_ms
        is_given = self.state is ConsentState.GIVEN
        return is_given and expires_at_ms is not None and now_ms >= expires_at_ms

    def current(self, before_consent: Anonymisation | None, now_ms: int) -> ConsentRecord:
        """The record as it counts now: consent that has expired is none.

        Its level is then that of before any answer, and `FULL` where the app named none.
        """
        if not self.has_expired(now_ms):
            return self
        level = Anonymisation.FULL if before_consent is None else before_consent
        return ConsentRecord(level=level | self.level)

    def floor(self, before_consent: Anonymisation | None) -> Anonymisation:
        """What the tracker's level must hold at least when it starts."""
        if self.state is ConsentState.UNKNOWN and before_consent is not None:
            return self.level | before_consent
        return self.level


@dataclass(frozen=True, slots=True)
class ConsentFile:
    """The file of one namespace. A folder of None keeps nothing.

    Args:
        folder: the storage folder.
        name: of the namespace, as in file names.
    """

    folder: Path | None
    name: str

    def load(self) -> ConsentRecord:
        """The stored answer. A file that cannot be understood counts as: everything hidden."""
        if self.folder is None:
            return ConsentRecord()
        try:
            with self._path().open("rb") as file:
                read = json.loads(file.read(_MAX_FILE_BYTES))
            return _record(read)
        except FileNotFoundError:
            return ConsentRecord()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ConsentRecord(level=Anonymisation.FULL)

    def save(self, record: ConsentRecord) -> bool:
        """Store the answer in one step, on the disk when it returns.

        Returns:
            False where the disk refused. Then the old answer is gone if that could be done: what
            is not known any more counts as never said, which is rather more private than less.
        """
        if self.folder is None:
            return True
        path = self._path()
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with open(temporary, "w", encoding="utf-8", opener=_private_opener) as file:
                json.dump(_as_json(record.storable()), file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            return False
        return True

    def _path(self) -> Path:
        if self.folder is None:
            raise ValueError(self.name)
        return self.folder / f"{self.name}.consent.json"


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _as_json(record: ConsentRecord) -> dict[str, Any]:
    return {
        "state": record.state.value,
        "level": record.level.value,
        "decided_at_ms": record.decided_at_ms,
        "expires_at_ms": record.expires_at_ms,
        "documents": [list(document) for document in record.documents],
        "pending": record.pending.value,
    }


def _record(read: dict[str, Any]) -> ConsentRecord:
    """The record that was stored.

    Raises:
        ValueError: a value is none that was ever stored, as are the next two.
        KeyError: one is missing.
        TypeError: it is no record at all.
    """
    level = read["level"]
    if not _is_count(level) or level > Anonymisation.FULL.value:
        raise ValueError("level")
    documents = tuple((str(one[0])[:_MAX_ID], str(one[1])[:_MAX_ID]) for one in read["documents"])
    return ConsentRecord(
        state=ConsentState(read["state"]),
        level=Anonymisation(level),
        decided_at_ms=_moment(read["decided_at_ms"]),
        expires_at_ms=_moment(read["expires_at_ms"]),
        documents=documents[:_MAX_DOCUMENTS],
        pending=Pending(read["pending"]),
    )


def _moment(value: object) -> int | None:
    if value is not None and not _is_count(value):
        raise ValueError("moment")
    return value  # type: ignore[return-value] # a count, or None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
