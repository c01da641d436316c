"""Which pictures of the page the documentation shows, and the page that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture.

    Attributes:
        name: of its file.
        title: its heading.
        text: what is to be seen, for those who do not see it too.
        path: the address that is opened.
        first_of: what of that is clicked; empty is nothing.
        top: what stands at the upper edge; empty is the page's own.
        shows: texts that are there before the picture is taken.
        is_dark: in dark colours.
    """

    name: str
    title: str
    text: str
    path: str
    first_of: str = ""
    top: str = ""
    shows: tuple[str, ...] = ()
    is_dark: bool = False


_FIRST: Final = "#events td.type a"
PICTURES: Final = (
    Picture(
        name="events",
        title="Events as they arrive",
        text="A list of events with their types, apps, schemas, sessions and levels, below filters",
        path="/ui",
        shows=("Live", "Pause"),
    ),
    Picture(
        name="event",
        title="What an event gives away",
        text="Identifiers of one event, each present, masked or absent, now and at stricter levels",
        path="/ui?type=page_view&level=0",
        first_of=_FIRST,
        top="#lens",
        shows=("What it gives away",),
    ),
    Picture(
        name="beside",
        title="Side by side with a stricter level",
        text="The same event twice as JSON: as it is, and as it would be at full anonymity",
        path="/ui?type=page_view&level=0",
        first_of=_FIRST,
        top="#beside",
        shows=("At level full",),
        is_dark=True,
    ),
    Picture(
        name="failed",
        title="Why an event failed",
        text="A failed event with its fault, where it is, the schema, and the place in the schema",
        path="/ui?status=failed",
        first_of=_FIRST,
        shows=("Place in the schema",),
    ),
    Picture(
        name="session",
        title="A session as a timeline",
        text="The events of a session along a line of time, a lane for each type, and as a list",
        path="/ui/sessions",
        first_of="#sessions a",
        shows=("All sessions",),
    ),
    Picture(
        name="charts",
        title="Charts",
        text="Bars of good events by type and of failed events by failure, over ten minutes",
        path="/ui/charts?span=10m",
        shows=("Counted in lots of 5",),
    ),
    Picture(
        name="schema",
        title="A schema",
        text="The properties of the session entity with their types, rules and what hides them",
        path="/ui/schemas/com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
        shows=("Properties",),
    ),
)


def page_of(pictures: Iterable[Picture]) -> str:
    """The page with some pictures; without any it says how they are made."""
    lines = ["# The page in pictures", ""]
    shown = list(pictures)
    if shown:
        lines += [
            "Taken of [the page](../page.md) when this site was built, with the demo's events.",
            "",
        ]
    else:
        lines += [
            "This site was built without a browser. `python -m docs.screenshots` takes pictures",
            "with Chromium; `make docs` does so where that is installed.",
            "",
        ]
    for one in shown:
        lines += [f"## {one.title}", "", f"![{one.text}](pictures/{one.name}.png)", ""]
    return "\n".join(lines)
