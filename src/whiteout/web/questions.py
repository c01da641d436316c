"""What is asked of the page: a query string, read within bounds, written again for links."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import parse_qsl, urlencode

from whiteout.identifiers import Anonymisation
from whiteout.web.filter import Filter

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_TEXT = 200  # letters that are searched for
_MOST_VALUE = 500
_MOST_DIGITS = 15
_MOST_ORIGIN = 10_000

LEVELS = {
    level.value: name
    for level, name in (
        (Anonymisation.NONE, "identified"),
        (Anonymisation.USER, "user"),
        (Anonymisation.SESSION, "session"),
        (Anonymisation.CLIENT, "client"),
        (Anonymisation.SERVER, "server"),
        (Anonymisation.USER | Anonymisation.SERVER, "user + server"),
        (Anonymisation.SESSION | Anonymisation.SERVER, "session + server"),
        (Anonymisation.FULL, "full"),
    )
}
"""What an event of each level hides, in a word or two, by the bits of the level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The conditions of one view; an empty text is none. Attributes are the query's parameters.

    Attributes:
        status: `good` or `failed`.
        type: of good events `screen_view` and the like; of failed ones the kind of failure.
        schema: a whole Iglu URI.
        app: the app's id.
        session: the session's id.
        level: the level's bits, in a digit.
        q: text that stands anywhere in the event.
    """

    status: str = ""
    type: str = ""
    schema: str = ""
    app: str = ""
    session: str = ""
    level: str = ""
    q: str = ""

    def filter(self) -> Filter:
        """The same as a filter of the window."""
        return Filter(
            status=cast("Literal['good', 'failed']", self.status) if self.status else None,
            name=self.type or None,
            schema=self.schema or None,
            app_id=self.app or None,
            session=self.session or None,
            level=int(self.level) if self.level else None,
            text=self.q or None,
        )

    def query(self, **more: str | int) -> str:
        """The query string, with its question mark, of this question and of `more` parameters."""
        pairs = [(field.name, getattr(self, field.name)) for field in fields(self)]
        text = urlencode([pair for pair in pairs if pair[1]] + list(more.items()))
        return f"?{text}" if text else ""

    def but(self, **changes: str) -> Question:
        """Another question, different in `changes`."""
        return replace(self, **changes)

    @property
    def is_empty(self) -> bool:
        """Whether it asks for everything."""
        return self == Question()


def read_question(query: Mapping[str, str]) -> Question:
    """Read a query string; what no event can meet, such as an unknown level, is no condition."""
    level = query.get("level", "")
    status = query.get("status", "")
    return Question(
        status=status if status in ("good", "failed") else "",
        type=query.get("type", "")[:_MOST_VALUE],
        schema=query.get("schema", "")[:_MOST_VALUE],
        app=query.get("app", "")[:_MOST_VALUE],
        session=query.get("session", "")[:_MOST_VALUE],
        level=level if level in {str(bits) for bits in LEVELS} else "",
        q=query.get("q", "").strip()[:MOST_TEXT],
    )


def origin_of(query: str) -> str:
    """The query string of an event's address that leads back to the list with that query string."""
    return f"?{urlencode({'from': query.removeprefix('?')})}" if query else ""


def read_origin(text: str) -> str:
    """The query string of the list that `from` tells of; empty where it tells of none."""
    pairs = dict(parse_qsl(text[:_MOST_ORIGIN]))
    before = read_number(pairs.get("before"))
    return read_question(pairs).query(**({} if before is None else {"before": before}))


def read_number(text: str | None) -> int | None:
    """A number of an event, as links and streams carry it; None where it is none."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        return None
    return int(text)
