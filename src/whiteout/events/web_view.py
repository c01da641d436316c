"""Events that a page in a web view forwards to the app's tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whiteout.events.event import Event, check_common, check_optional_text
from whiteout.events.properties import is_finite, wrong_value
from whiteout.events.structured import decimal_text
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT_NAMES: Final = ("ue", "pv", "pp", "se")
"""What a page can track through the bridge. Other values of `e` need parameters that it lacks."""

_TEXTS: Final = (
    ("tracker_version", "tv"),
    ("useragent", "ua"),
    ("page_url", "url"),
    ("page_title", "page"),
    ("referrer", "refr"),
    ("category", "se_ca"),
    ("action", "se_ac"),
    ("label", "se_la"),
    ("property", "se_pr"),
)
_OFFSETS: Final = (
    ("ping_x_offset_min", "pp_mix"),
    ("ping_x_offset_max", "pp_max"),
    ("ping_y_offset_min", "pp_miy"),
    ("ping_y_offset_max", "pp_may"),
)
_MAX_OFFSET: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WebViewEvent(Event):
    """An event of a page, as the page's own tracker made it.

    It never drives the app's states: a forwarded screen view is not a view of the app's screen.
    Its parameters are a fixed set, none of which identifies, and pass the gate like any other's.

    Args:
        event_name: becomes `e`: `ue`, `pv`, `pp` or `se`.
        self_describing_data: the body; needed where `event_name` is `ue`.
        tracker_version: of the page's tracker; replaces this one's `tv`. Passes at every level, so
            it must hold no identifier.
        useragent: of the web view; replaces the subject's `ua`.
        page_url: becomes `url`.
        page_title: becomes `page`.
        referrer: becomes `refr`.
        category: becomes `se_ca`.
        action: becomes `se_ac`.
        label: becomes `se_la`.
        property: becomes `se_pr`.
        value: becomes `se_va`; finite.
        ping_x_offset_min: becomes `pp_mix`, in pixels, as the three that follow.
        ping_x_offset_max: becomes `pp_max`.
        ping_y_offset_min: becomes `pp_miy`.
        ping_y_offset_max: becomes `pp_may`.

    Raises:
        ConfigurationError: as `Event`; or `event_name` is another, or a body is missing.
    """

    event_name: str = "ue"
    self_describing_data: SelfDescribingJson | None = None
    tracker_version: str | None = None
    useragent: str | None = None
    page_url: str | None = None
    page_title: str | None = None
    referrer: str | None = None
    category: str | None = None
    action: str | None = None
    label: str | None = None
    property: str | None = None
    value: float | None = None
    ping_x_offset_min: int | None = None
    ping_x_offset_max: int | None = None
    ping_y_offset_min: int | None = None
    ping_y_offset_max: int | None = None

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        if self.event_name not in EVENT_NAMES:
            raise wrong_value("event_name", self.event_name, f"one of {', '.join(EVENT_NAMES)}")
        data = self.self_describing_data
        if not isinstance(data, SelfDescribingJson) and (
            data is not None or self.event_name == "ue"
        ):
            raise wrong_value("self_describing_data", data, "a SelfDescribingJson")
        for attribute, _ in _TEXTS:
            check_optional_text(attribute, getattr(self, attribute))
        if self.value is not None and not _is_number(self.value):
            raise wrong_value("value", self.value, "a finite number or None")
        for attribute, _ in _OFFSETS:
            offset = getattr(self, attribute)
            if offset is not None and not _is_offset(offset):
                raise wrong_value(attribute, offset, "an integer of 32 bits or None")

    def parameters(self) -> dict[str, str]:
        """`e`, and those of the others that the page gave."""
        parameters = {"e": self.event_name}
        for attribute, name in _TEXTS:
            if text := getattr(self, attribute):
                parameters[name] = text
        if self.value is not None:
            parameters["se_va"] = decimal_text(self.value)
        for attribute, name in _OFFSETS:
            if (offset := getattr(self, attribute)) is not None:
                parameters[name] = str(offset)
        return parameters

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson | None:  # noqa: ARG002 - the interface
        """The body that the page gave."""
        return self.self_describing_data


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)


def _is_offset(value: object) -> bool:
    return isinstance(value, int) and _is_number(value) and abs(value) <= _MAX_OFFSET
