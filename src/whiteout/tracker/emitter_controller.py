"""`tracker.emitter`: how events are kept and sent, changeable while the tracker runs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from whiteout.identifiers import Anonymisation
from whiteout.tracker.checks import check_flag
from whiteout.tracker.live import Controlled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from whiteout.tracker.configuration import BufferOption, EmitterConfiguration
    from whiteout.tracker.live import Live, LiveChanges


class _Owner(Protocol):
    """What the emitter controller asks of its tracker."""

    @property
    def anonymisation(self) -> Anonymisation: ...
    def change_level(self, *, add: Anonymisation, remove: Anonymisation) -> None: ...
    def set_sending(self, *, sends: bool) -> None: ...
    def waiting_events(self) -> int: ...
    def remove_waiting_events(self) -> bool: ...
    def is_sending(self) -> bool: ...
    def survives_kill(self) -> bool: ...
    def flush(self, timeout: float) -> bool: ...


class EmitterController(Controlled):
    """`tracker.emitter`: sending. Its options act on the next round of requests."""

    _section = "emitter"
    _changes: LiveChanges

    def __init__(
        self, owner: _Owner, live: Live[EmitterConfiguration], changes: LiveChanges
    ) -> None:
        self._owner = owner
        self._live = live
        self._changes = changes

    # --- options --------------------------------------------------------------------------------

    @property
    def buffer_option(self) -> BufferOption:
        """How many events must wait before a request is made."""
        return self._live.current.buffer_option

    @buffer_option.setter
    def buffer_option(self, value: BufferOption) -> None:
        self._changes.emitter("buffer_option", value)

    @property
    def emit_range(self) -> int:
        """Events read from the store a round, 1 to 1000."""
        return self._live.current.emit_range

    @emit_range.setter
    def emit_range(self, value: int) -> None:
        self._changes.emitter("emit_range", value)

    @property
    def byte_limit_post(self) -> int:
        """Bytes of a POST body."""
        return self._live.current.byte_limit_post

    @byte_limit_post.setter
    def byte_limit_post(self, value: int) -> None:
        self._changes.emitter("byte_limit_post", value)

    @property
    def byte_limit_get(self) -> int:
        """Bytes of an event sent by GET."""
        return self._live.current.byte_limit_get

    @byte_limit_get.setter
    def byte_limit_get(self, value: int) -> None:
        self._changes.emitter("byte_limit_get", value)

    @property
    def request_callback(self) -> Callable[[int, int], None] | None:
        """Called after each round with the numbers of events sent and failed; None: nobody is."""
        return self._live.current.request_callback

    @request_callback.setter
    def request_callback(self, value: Callable[[int, int], None] | None) -> None:
        self._changes.emitter("request_callback", value)

    @property
    def custom_retry_for_status_codes(self) -> Mapping[int, bool]:
        """HTTP status to retry (True) or drop (False). Set it whole: what is read is read only."""
        return MappingProxyType(dict(self._live.current.custom_retry_for_status_codes))

    @custom_retry_for_status_codes.setter
    def custom_retry_for_status_codes(self, value: Mapping[int, bool]) -> None:
        self._changes.emitter("custom_retry_for_status_codes", value)

    @property
    def server_anonymisation(self) -> bool:
        """Whether events are tracked under `SP-Anonymous`; those tracked before keep theirs."""
        return Anonymisation.SERVER in self._owner.anonymisation

    @server_anonymisation.setter
    def server_anonymisation(self, value: bool) -> None:
        check_flag("server_anonymisation", value)
        none = Anonymisation.NONE
        add, remove = (Anonymisation.SERVER, none) if value else (none, Anonymisation.SERVER)
        self._owner.change_level(add=add, remove=remove)

    @property
    def retry_failed_requests(self) -> bool:
        """False drops the events of any failed request."""
        return self._live.current.retry_failed_requests

    @retry_failed_requests.setter
    def retry_failed_requests(self, value: bool) -> None:
        self._changes.emitter("retry_failed_requests", value)

    @property
    def max_event_store_size(self) -> int:
        """Events that may wait. Beyond it the oldest go, counted: at once where it is lowered."""
        return self._live.current.max_event_store_size

    @max_event_store_size.setter
    def max_event_store_size(self, value: int) -> None:
        self._changes.emitter("max_event_store_size", value)

    @property
    def max_event_store_age(self) -> float:
        """Seconds that an event may wait; older ones go, counted."""
        return self._live.current.max_event_store_age

    @max_event_store_age.setter
    def max_event_store_age(self, value: float) -> None:
        self._changes.emitter("max_event_store_age", value)

    # --- sending --------------------------------------------------------------------------------

    @property
    def db_count(self) -> int:
        """How many events wait in the event store."""
        return self._owner.waiting_events()

    @property
    def is_sending(self) -> bool:
        """Whether a request is under way."""
        return self._owner.is_sending()

    @property
    def survives_kill(self) -> bool:
        """Whether all that waits is on the disk; False: in part in memory, as with a full disk."""
        return self._owner.survives_kill()

    def pause(self) -> None:
        """Keep events, send none; a tracker made again for the namespace stays paused."""
        self._owner.set_sending(sends=False)

    def resume(self) -> None:
        """Send again, at once."""
        self._owner.set_sending(sends=True)

    def flush(self, timeout: float = 10.0) -> bool:
        """As `tracker.flush`.

        Args:
            timeout: seconds.
        """
        return self._owner.flush(timeout)

    def remove_all_events(self) -> bool:
        """Delete every event that waits, unsent; they are counted as `DropReason.FORGOTTEN`.

        Returns:
            False where the disk refused; then call it again.
        """
        return self._owner.remove_waiting_events()
