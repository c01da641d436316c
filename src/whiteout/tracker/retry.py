"""What an answer means for the events of a request, and when to try again. Pure.

Source: reference section 7.5; back-off, `Retry-After` and 413 are what it asks for beyond it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

_DROPPED_STATUSES: Final = frozenset({400, 401, 403, 410, 422})
_TOO_LARGE: Final = 413
_FIRST_DELAY_S: Final = 1.0
_LONGEST_DELAY_S: Final = 30.0  # arbitrary; a collector that comes back is found within it
_LONGEST_RETRY_AFTER_S: Final = 3600.0


class Outcome(enum.Enum):
    """What becomes of a request's events."""

    DELIVERED = "delivered"
    DROP = "drop"
    RETRY = "retry"
    SPLIT = "split"


def outcome(
    status: int | None,
    *,
    events: int,
    is_oversize: bool,
    retry_failed_requests: bool,
    custom: Mapping[int, bool],
) -> Outcome:
    """Decide by an answer's status; None: there was no answer."""
    if status is not None and 200 <= status <= 299:  # noqa: PLR2004 - HTTP's success
        return Outcome.DELIVERED
    if not retry_failed_requests or is_oversize:
        return Outcome.DROP
    if status is not None and status in custom:
        return Outcome.RETRY if custom[status] else Outcome.DROP
    if status == _TOO_LARGE:
        return Outcome.SPLIT if events > 1 else Outcome.DROP
    return Outcome.DROP if status in _DROPPED_STATUSES else Outcome.RETRY


def delay_s(failures: int, generator: random.Random) -> float:
    """Seconds to wait after so many failures in a row (1 or more): doubling, half of it jitter."""
    full = min(_FIRST_DELAY_S * 2.0 ** min(failures - 1, 16), _LONGEST_DELAY_S)
    return full * generator.uniform(0.5, 1.0)


def retry_after_s(text: str | None, now_ms: int) -> float:
    """Seconds that a `Retry-After` header asks for: 0 where it says nothing, an hour at most."""
    if not text:
        return 0.0
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_RETRY_AFTER_S)
    import email.utils  # noqa: PLC0415 - 20 ms for a header that seldom comes

    try:
        seconds = email.utils.parsedate_to_datetime(text).timestamp() - now_ms / 1000
    except (TypeError, ValueError, OverflowError, OSError):
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S)
