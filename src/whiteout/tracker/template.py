"""Templates: what many events share, gated and encoded once.

An event's payload is its template (tracker and subject parameters; platform, application and
session entities) and its own part (its parameters, its body, its entities). Both have passed the
gate before they are joined, and joining adds nothing. Sharing makes the stored row small, which is
the lever on the cost of an event: the payload of a screen view is 2.4 kB, its own part 0.3.
"""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from whiteout.identifiers import CLIENT_SESSION, Anonymisation
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT, SelfDescribingJson
from whiteout.tracker.serialisation import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whiteout.anonymisation import Gate
    from whiteout.tracker.session import SessionState

SEPARATOR: Final = "\x1e"  # JSON text never holds a raw control character
SEPARATOR_BYTE: Final = SEPARATOR.encode()
SEPARATORS: Final = 2  # in the data of an event: between parameters, body and entities

_CONTEXTS_HEAD: Final = f'{{"schema":"{CONTEXTS}","data":['
_PLAIN: Final = b'"e":"ue"'  # the parameters of most events; looking into them costs 0.3 us
_UNSTRUCT_HEAD: Final = f'{{"schema":"{UNSTRUCT_EVENT}","data":'
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


class _OwnPart(Protocol):
    """What is one event's alone.

    `data` holds its parameters, body and entities as JSON fragments, joined by `SEPARATOR`.
    """

    @property
    def event_id(self) -> bytes: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def event_index(self) -> int: ...
    @property
    def data(self) -> bytes: ...


@dataclass(slots=True)
class Template:
    """What events of one level, subject, platform reading and session share.

    Attributes:
        level: the anonymisation that all of this passed, and that its events are sent under.
        line: events of different lines never share a request or a connection; 0 is the
            identified line.
        base64: entities and bodies as base64.
        parameters: a fragment of a JSON object, `"tv":"...","p":"pc"`.
        entities: a fragment of a JSON list.
        session: the session entity up to the event's index; empty where there is none.
        state: the identified line's session, for a process that adopts the journal; else None.
    """

    level: Anonymisation
    line: int
    base64: bool
    parameters: str
    entities: str
    session: str
    state: dict[str, Any] | None = None
    bits: int = field(init=False)
    id: int = field(init=False)
    text: str = field(init=False)
    _middle: bytes = field(init=False)
    _entities_head: bytes = field(init=False)
    _entities_base64: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.bits = self.level.value
        self.text = dumps(
            [
                self.bits,
                self.line,
                self.base64,
                self.parameters,
                self.entities,
                self.session,
                self.state,
            ]
        ).decode()
        digest = hashlib.blake2b(self.text.encode(), digest_size=8).digest()
        self.id = int.from_bytes(digest, "little") >> 1
        shared = ",".join(part for part in (self.entities, self.session) if part)
        self._middle = f',{self.parameters},"eid":"'.encode()
        self._entities_head = _pad((_CONTEXTS_HEAD + shared).encode())
        self._entities_base64 = _base64(self._entities_head)

    @classmethod
    def from_text(cls, text: str) -> Template:
        """The template that `text` describes.

        Raises:
            ValueError: it describes none.
        """
        level, line, base64, parameters, entities, session, state = loads(text)
        return cls(Anonymisation(level), line, base64, parameters, entities, session, state)

    def payload(self, event: _OwnPart) -> bytes:
        """One event as a fragment of a JSON object: the finished payload but for `stm` and `}`.

        Its values are all text, its keys those of `payload_data` 1-0-4.
        """
        parameters, body, entities = event.data.split(SEPARATOR_BYTE)
        middle, time = self._middle, b'","dtm":"%d"' % event.created_ms
        if parameters != _PLAIN:
            if b'"tv":' in parameters or b'"ua":' in parameters:
                middle = self._middle_without(parameters)  # of a page in a web view
            if b'"dtm":' in parameters:
                time = b'"'  # of an installation in the past
        return b"".join(
            (
                b"{",
                parameters,
                middle,
                event.event_id,
                time,
                self._body(body) if body else b"",
                self._entities(entities, event.event_index)
                if self.entities or self.session or entities
                else b"",
            )
        )

    def _middle_without(self, own: bytes) -> bytes:
        """What events share but for what this one says itself: no name may stand there twice."""
        said = loads(b"{" + own + b"}")
        shared = loads("{" + self.parameters + "}")
        rest = dumps({name: value for name, value in shared.items() if name not in said})[1:-1]
        return (b"," + rest if rest else b"") + b',"eid":"'

    def _body(self, body: bytes) -> bytes:
        if self.base64:
            return b',"ue_px":"%b%b"' % (_UNSTRUCT_BASE64, _base64(body + b"}"))
        return b',"ue_pr":' + _quoted(_UNSTRUCT_HEAD.encode() + body + b"}")

    def _entities(self, own: bytes, event_index: int) -> bytes:
        rest = b"%d}}" % event_index if self.session else b""
        if own:
            rest += b"," + own if self.entities or self.session else own
        rest += b"]}"
        if self.base64:
            return b',"cx":"%b%b"' % (self._entities_base64, _base64(rest))
        return b',"co":' + _quoted(self._entities_head.lstrip() + rest)


def build(  # noqa: PLR0913 - a constructor in all but name
    gate: Gate,
    level: Anonymisation,
    *,
    line: int,
    base64: bool,
    parameters: Mapping[str, str],
    entities: Sequence[SelfDescribingJson],
    session: SessionState | None,
    is_identified_line: bool,
) -> Template:
    """Pass what events share through the gate, and encode what comes out."""
    masked = None
    if session is not None:
        masked = gate.entity(SelfDescribingJson(CLIENT_SESSION, session.entity_data()), level)
    return Template(
        level,
        line,
        base64,
        dumps(gate.parameters(parameters, level)).decode()[1:-1],
        dumps([entity.as_dict() for entity in gate.entities(entities, level)]).decode()[1:-1],
        session_fragment(masked),
        _session_record(session) if session is not None and is_identified_line else None,
    )


def session_fragment(session: SelfDescribingJson | None) -> str:
    """The session entity as JSON up to and with `"eventIndex":`; empty for None."""
    if session is None:
        return ""
    return dumps(session.as_dict()).decode()[:-2] + ',"eventIndex":'


def _session_record(session: SessionState) -> dict[str, Any]:
    return {
        "user_id": session.user_id,
        "session_id": session.session_id,
        "previous_session_id": session.previous_session_id,
        "session_index": session.session_index,
        "first_event_id": session.first_event_id,
        "first_event_at_ms": session.first_event_at_ms,
    }


def _quoted(text: bytes) -> bytes:
    return dumps(text.decode())


def _pad(text: bytes) -> bytes:
    """Blanks in front, so that the base64 of what follows can be appended to the base64 of this."""
    return b" " * (-len(text) % 3) + text


def _base64(text: bytes) -> bytes:
    """URL-safe, unpadded: safe in GET, and what the iOS tracker writes (reference 1.2)."""
    return binascii.b2a_base64(text, newline=False).translate(_URL_SAFE, b"=")


_UNSTRUCT_BASE64: Final = _base64(_pad(_UNSTRUCT_HEAD.encode()))
