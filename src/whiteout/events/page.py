"""Views of web pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.events.event import Event, check_common, check_optional_text, check_text

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PageView(Event):
    """A page was viewed. For apps that show web pages; screens of an app are `ScreenView`.

    Args:
        page_url: of the page; becomes `url`. Never empty.
        page_title: becomes `page`.
        referrer: the URL that led here; becomes `refr`.

    Raises:
        ConfigurationError: as `Event`.
    """

    page_url: str
    page_title: str | None = None
    referrer: str | None = None

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        check_text("page_url", self.page_url)
        check_optional_text("page_title", self.page_title)
        check_optional_text("referrer", self.referrer)

    def parameters(self) -> dict[str, str]:
        """`e=pv`, `url`, `page`, `refr`."""
        parameters = {"e": "pv", "url": self.page_url}
        if self.page_title:
            parameters["page"] = self.page_title
        if self.referrer:
            parameters["refr"] = self.referrer
        return parameters

    def self_describing(self, new_uuid: Callable[[], str]) -> None:
        """None: a page view is its parameters."""
