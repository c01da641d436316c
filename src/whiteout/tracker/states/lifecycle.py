"""Whether the app is visible. Source: events catalogue 6; independent of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whiteout.events.event import body
from whiteout.events.state_entities import LifecycleEntity
from whiteout.tracker.states.fact import BACKGROUND, FOREGROUND, Fact
from whiteout.tracker.states.machine import Quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.protocol.self_describing import SelfDescribingJson

_SCHEMA: Final = LifecycleEntity.SCHEMA


class LifecycleMachine(Quiet):
    """Puts on every event whether the app is visible, and the index of the last transition.

    The entity changes so rarely that it is not written with each event, but shared by them.

    Args:
        share: told of the entity from now on; None: no events carry one.
        is_visible: where the app is.
    """

    schemas = frozenset({BACKGROUND, FOREGROUND})

    def __init__(
        self,
        share: Callable[[SelfDescribingJson | None], None],
        *,
        is_visible: bool,
    ) -> None:
        self._share = share
        self._is_visible = self._app_is_visible = is_visible
        self._share_state(None)

    def transition(self, fact: Fact, now_s: float) -> None:  # noqa: ARG002 - the interface
        """Visible or not; an event that only has such a schema says no more than is known."""
        data = fact.data
        self._is_visible = self._app_is_visible if data is None else fact.schema == FOREGROUND
        index = None
        if data is not None:
            index = data.get("foregroundIndex" if self._is_visible else "backgroundIndex")
        self._share_state(index)

    def turn(self, *, is_visible: bool) -> None:
        """The app has moved; the event that says so, if there was one, has passed."""
        self._app_is_visible = is_visible
        if self._is_visible is not is_visible:
            self._is_visible = is_visible
            self._share_state(None)

    def reset(self) -> None:
        """Forget the index. Whether the app is visible stays true."""
        self._share_state(None)

    def stop(self) -> None:
        """No events carry the entity from now on."""
        self._share(None)

    def _share_state(self, index: int | None) -> None:
        data: dict[str, Any] = {"isVisible": self._is_visible}
        if index is not None:
            data["index"] = index
        self._share(body(_SCHEMA, data))
