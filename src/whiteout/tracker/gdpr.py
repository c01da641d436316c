"""`tracker.gdpr`: the legal basis that every event names, changeable at any time.

Owner: the tracker's lock, which is handed in. Source: reference 8.5, behaviour G16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError
from whiteout.events.gdpr import GdprConfiguration
from whiteout.tracker.attributes import NoStrayAttributes

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from whiteout.protocol.self_describing import SelfDescribingJson


class GdprController(NoStrayAttributes):
    """The basis for processing, and whether events carry it.

    Any thread may call anything. A change acts on the next event.

    Args:
        configuration: what is on from the start; None: nothing.
        lock: the tracker's.
        on_change: called under the lock after each change, so that the part of the payload that
            events share is built anew.
        is_open: whether the tracker still tracks; a controller of a closed one is inert (leak L26).
    """

    def __init__(
        self,
        configuration: GdprConfiguration | None = None,
        *,
        lock: AbstractContextManager[object],
        on_change: Callable[[], None],
        is_open: Callable[[], bool] = lambda: True,
    ) -> None:
        self._lock = lock
        self._on_change = on_change
        self._is_open = is_open
        self._configuration = configuration
        self._entity = configuration.self_describing() if configuration is not None else None

    @property
    def configuration(self) -> GdprConfiguration | None:
        """What was set last, also while it is disabled; None where nothing ever was."""
        return self._configuration

    @property
    def is_enabled(self) -> bool:
        """Whether events carry it."""
        return self._entity is not None

    @property
    def entity(self) -> SelfDescribingJson | None:
        """What events carry; None: nothing. The same object until something changes."""
        return self._entity

    def reset(self, configuration: GdprConfiguration) -> None:
        """Set the basis, and enable it.

        Raises:
            ConfigurationError: `configuration` is no `GdprConfiguration`.
        """
        if not isinstance(configuration, GdprConfiguration):
            raise ConfigurationError(
                f"configuration must be a GdprConfiguration, got {type(configuration).__name__}"
            )
        with self._lock:
            if self._is_open():
                self._configuration = configuration
                self._show(configuration)

    def enable(self) -> bool:
        """Let events carry what was set last; False where nothing ever was."""
        with self._lock:
            configuration = self._configuration
            if configuration is None or not self._is_open():
                return False
            self._show(configuration)
            return True

    def disable(self) -> None:
        """Let events carry nothing; what was set is kept for `enable`."""
        with self._lock:
            if self._is_open():
                self._show(None)

    def _show(self, configuration: GdprConfiguration | None) -> None:
        """Let events carry it; the caller holds the lock."""
        before = self._entity
        self._entity = configuration.self_describing() if configuration is not None else None
        if self._entity != before:
            self._on_change()
