"""What becomes of waiting events when anonymity is switched on (promise 4). Pure.

An event that is anonymised after the fact loses what its new level hides, and everything that the
tracker generated for it on the identified side: its id, its session id, its place in the session,
the id of its screen, how often the app had come and gone, the milliseconds of its times. Each would
otherwise be found on both sides of the boundary, in what was sent before and in this; an event
whose answer was lost even as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whiteout.identifiers import CLIENT_SESSION, NULL_UUID, Anonymisation
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.clock import uuid_text
from whiteout.tracker.configuration import Pending
from whiteout.tracker.event_rows import NewEvent, StoredEvent
from whiteout.tracker.identity import Earlier
from whiteout.tracker.lines import IDENTIFIED_LINE
from whiteout.tracker.serialisation import dumps, loads
from whiteout.tracker.session import rfc3339
from whiteout.tracker.template import SEPARATOR, Template, session_fragment

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.anonymisation import Gate

_MOBILE: Final = "iglu:com.snowplowanalytics.mobile/"
_SNOWPLOW: Final = "iglu:com.snowplowanalytics.snowplow/"
_SCREENS: Final = {f"{_MOBILE}screen_view": ("id", "previousId"), f"{_MOBILE}screen": ("id",)}
_COUNTS: Final = {
    f"{_MOBILE}application_lifecycle": "index",
    f"{_SNOWPLOW}application_foreground": "foregroundIndex",
    f"{_SNOWPLOW}application_background": "backgroundIndex",
}
_SECONDS: Final = {f"{_MOBILE}screen_summary": ("foreground_sec", "background_sec")}


class IdentifiedChange:
    """What becomes of waiting identified events once the installation is another one.

    None of them shares a request with those of after: either they are dropped, because the one
    that they name was forgotten, or they are on a line of their own from now on.

    Args:
        earlier: why.
        new_uuid: random UUIDs.
    """

    def __init__(self, earlier: Earlier, new_uuid: Callable[[], bytes]) -> None:
        self._drops = earlier is Earlier.FORGOTTEN
        self._line = int.from_bytes(new_uuid()[:6], "big") + 1

    def __call__(self, stored: StoredEvent, text: str) -> tuple[NewEvent, str] | None:
        """As `PendingChange`."""
        event = NewEvent(*stored[1:])
        if stored.line != IDENTIFIED_LINE:
            return event, text
        return None if self._drops else (event._replace(line=self._line), text)


class PendingChange:
    """Passes waiting events one by one, oldest first, through a decision; used once.

    Args:
        pending: what to do with events less anonymous than `level`.
        level: what was switched on.
        gate: what it lets through.
        new_uuid: random UUIDs.
    """

    def __init__(
        self,
        pending: Pending,
        level: Anonymisation,
        gate: Gate,
        new_uuid: Callable[[], bytes],
    ) -> None:
        self._pending = pending
        self._level = level
        self._gate = gate
        self._new_uuid = new_uuid
        self._lines: dict[int, int] = {}  # of before, and the one that stands for it
        self._templates: dict[int, Template] = {}
        self._sessions: dict[str, _NewSession] = {}
        self._screens: dict[tuple[int, str], str] = {}

    def __call__(self, stored: StoredEvent, text: str) -> tuple[NewEvent, str] | None:
        """An event and its template's text as they shall be; None: drop the event."""
        before = Anonymisation(stored.level)
        level = before | self._level
        event = NewEvent(*stored[1:])
        if level == before or self._pending is Pending.KEEP:
            return event, text
        if self._pending is Pending.DROP:
            return None
        old = self._templates.get(stored.template)
        if old is None:
            old = self._templates[stored.template] = Template.from_text(text)
        crosses = bool((level ^ before) & Anonymisation.CLIENT)
        event_id = uuid_text(self._new_uuid()) if crosses else stored.event_id
        created_ms = stored.created_ms // 1000 * 1000 if crosses else stored.created_ms
        stored = stored._replace(created_ms=self._gate.time_ms(created_ms, level))
        session, index = self._session(old, level, event_id, stored, crosses=crosses)
        new = Template(
            level,
            self._new_line(stored.line) if crosses else stored.line,
            old.base64,
            self._parameters(old.parameters, level),
            self._entities(old.entities, level, stored.line if crosses else None),
            session,
        )
        event = NewEvent(
            level.value,
            new.line,
            new.id,
            event_id,
            stored.created_ms,
            index,
            self._own(stored, level, crosses=crosses),
        )
        return event, new.text

    def _session(
        self,
        old: Template,
        level: Anonymisation,
        event_id: str,
        stored: StoredEvent,
        *,
        crosses: bool,
    ) -> tuple[str, int]:
        if not old.session or Anonymisation.SESSION in level:
            return "", 0
        data = loads(old.session + "0}}")["data"]
        del data["eventIndex"]
        if not crosses:
            entity = SelfDescribingJson(CLIENT_SESSION, data)
            return session_fragment(self._gate.entity(entity, level)), stored.event_index
        known = self._sessions.get(data["sessionId"])
        if known is None:
            known = self._sessions[data["sessionId"]] = _NewSession(
                uuid_text(self._new_uuid()), event_id, stored.created_ms
            )
        known.events += 1
        entity = SelfDescribingJson(
            CLIENT_SESSION,
            {
                **data,
                "userId": NULL_UUID,
                "sessionId": known.session_id,
                "previousSessionId": None,
                "sessionIndex": 1,
                "firstEventId": known.first_event_id,
                "firstEventTimestamp": rfc3339(known.first_event_at_ms),
            },
        )
        return session_fragment(self._gate.entity(entity, level)), known.events

    def _new_line(self, line: int) -> int:
        """Each line becomes one of its own: events of two must not meet in a request now."""
        if line not in self._lines:
            self._lines[line] = int.from_bytes(self._new_uuid()[:6], "big") + 1
        return self._lines[line]

    def _parameters(self, fragment: str, level: Anonymisation) -> str:
        passed = self._gate.parameters(loads("{" + fragment + "}"), level)
        return dumps(passed).decode()[1:-1]

    def _entities(self, fragment: str, level: Anonymisation, line: int | None) -> str:
        entities = [_self_describing(item) for item in loads("[" + fragment + "]")]
        passed = self._gate.entities(entities, level)
        return dumps([self._unlinked(entity, line).as_dict() for entity in passed]).decode()[1:-1]

    def _own(self, stored: StoredEvent, level: Anonymisation, *, crosses: bool) -> str:
        line = stored.line if crosses else None
        parameters, body, entities = stored.data.split(SEPARATOR)
        if body:
            masked = self._gate.body(_self_describing(loads(body)), level)
            body = dumps(self._unlinked(masked, line).as_dict()).decode()
        return SEPARATOR.join(
            (self._parameters(parameters, level), body, self._entities(entities, level, line))
        )

    def _unlinked(self, item: SelfDescribingJson, line: int | None) -> SelfDescribingJson:
        """Without what tells where on its line it was; `line` None: it stays on it.

        Screens get other ids, the app's own too: which of the two they are is not known any more.
        """
        family = item.schema.rsplit("/", 2)[0]
        if line is None or not isinstance(item.data, dict):
            return item
        changed = dict(item.data)
        for name in _SCREENS.get(family, ()):
            if isinstance(changed.get(name), str):
                key = line, changed[name]
                if key not in self._screens:
                    self._screens[key] = uuid_text(self._new_uuid())
                changed[name] = self._screens[key]
        if family in _COUNTS:
            changed.pop(_COUNTS[family], None)
        for name in _SECONDS.get(family, ()):
            if isinstance(changed.get(name), int | float):
                changed[name] = int(changed[name])
        return SelfDescribingJson(item.schema, changed)


class _NewSession:
    """The session that stands for one of the identified line."""

    def __init__(self, session_id: str, first_event_id: str, first_event_at_ms: int) -> None:
        self.session_id = session_id
        self.first_event_id = first_event_id
        self.first_event_at_ms = first_event_at_ms
        self.events = 0


def _self_describing(item: dict[str, Any]) -> SelfDescribingJson:
    return SelfDescribingJson(item["schema"], item["data"])
