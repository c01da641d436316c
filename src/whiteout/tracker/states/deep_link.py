"""The link that the app was opened by. Source: events catalogue 8, core 8.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whiteout.events.deep_link import attribution
from whiteout.events.state_entities import DeepLink
from whiteout.tracker.states.fact import DEEP_LINK_RECEIVED, SCREEN_VIEW, Fact
from whiteout.tracker.states.machine import Addition, Quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA: Final = DeepLink.SCHEMA


class DeepLinkMachine(Quiet):
    """Puts the link on the first screen view after it, and on no other."""

    schemas = frozenset({DEEP_LINK_RECEIVED, SCREEN_VIEW})
    adds_to = frozenset({SCREEN_VIEW})

    def __init__(self) -> None:
        self._remembered: Mapping[str, Any] | None = None
        self._ready: Mapping[str, Any] | None = None

    def transition(self, fact: Fact, now_s: float) -> None:  # noqa: ARG002 - the interface
        """Remember a link; a screen view takes it, the next one finds none."""
        self._ready = None
        if fact.schema == DEEP_LINK_RECEIVED and fact.data is not None:
            self._remembered = fact.data
        else:
            self._ready, self._remembered = self._remembered, None

    def addition(self, fact: Fact) -> Addition | None:  # noqa: ARG002 - the interface
        """The link, and where campaigns and referrers are looked for."""
        link = self._ready
        return None if link is None else Addition((_SCHEMA, link), attribution(link))

    def reset(self) -> None:
        """Forget the link."""
        self._remembered = self._ready = None
