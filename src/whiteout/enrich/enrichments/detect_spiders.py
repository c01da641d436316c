"""Spiders and robots by lists of user agents and addresses, in the IAB's format.

The lists are the user's: the IAB's own, which are sold, or any in their format. The address is
looked up as IP anonymisation leaves it (W8); names are not resolved.

Source: reference section 2.9, and the public client for these lists: `|` separates fields, `#`
begins a comment, patterns are parts of the user agent without regard to case. Not on the list of
browsers is a robot; then the list of robots decides, each line with its exceptions.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.anonymise_ip import lookup_form
from whiteout.enrich.enrichments.interface import (
    ENRICHMENTS_VENDOR,
    Asset,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.errors import ConfigurationError
from whiteout.iglu.embedded.enrichments import SPIDERS_AND_ROBOTS
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

_ADDRESS, _USERAGENT = COLUMN_INDEX["user_ipaddress"], COLUMN_INDEX["useragent"]
_DERIVED_TSTAMP = COLUMN_INDEX["derived_tstamp"]
_IMPACTS = {"0": "PAGE_IMPRESSIONS", "1": "AD_IMPRESSIONS", "2": "PAGE_AND_AD_IMPRESSIONS"}
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line of a list.

    Attributes:
        text: part of a user agent, in lower case.
        at_start: whether the user agent must begin with it.
        active: whether it still counts.
        until: the day it stopped counting, `yyyy-MM-dd`.
        exceptions: parts of user agents to which it does not apply.
        impact: what such a robot distorts.
    """

    text: str
    at_start: bool = False
    active: bool = True
    until: str | None = None
    exceptions: tuple[str, ...] = ()
    impact: str = "UNKNOWN"

    def matches(self, user_agent: str) -> bool:
        """Whether it is about a user agent, given in lower case."""
        found = user_agent.startswith(self.text) if self.at_start else self.text in user_agent
        return found and not any(one in user_agent for one in self.exceptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What is known of robots.

    Attributes:
        networks: addresses of robots.
        browsers: user agents of people.
        robots: user agents of robots.
    """

    networks: Sequence[Network]
    browsers: Sequence[Pattern]
    robots: Sequence[Pattern]


class DetectSpiders:
    """Adds the entity `spiders_and_robots`.

    Args:
        lists: what is known.
        mask_address: what IP anonymisation makes of an address.
    """

    schema = f"iglu:{ENRICHMENTS_VENDOR}/iab_spiders_and_robots_enrichment/jsonschema/1-0-1"
    identifier = "iab-spiders-and-robots"

    def __init__(
        self, lists: Lists, *, mask_address: Callable[[str], str | None] | None = None
    ) -> None:
        self._lists = lists
        self._mask_address = mask_address
        self._by_length = {
            (network.version, network.prefixlen, int(network.network_address))
            for network in lists.networks
        }
        self._lengths = sorted({(version, length) for version, length, _ in self._by_length})

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """One entity; none where there is neither user agent nor address, or no time."""
        user_agent, address = event.fields[_USERAGENT], event.fields[_ADDRESS]
        moment = event.fields[_DERIVED_TSTAMP]
        if (user_agent is None and address is None) or moment is None:
            return ()
        if address is not None and self._mask_address is not None:
            masked = self._mask_address(address)
            address = None if masked is None else lookup_form(masked)
        data = self._judge(user_agent, address, moment[:10])
        return (SelfDescribingJson(SPIDERS_AND_ROBOTS, data),)

    def _judge(self, user_agent: str | None, address: str | None, day: str) -> dict[str, object]:
        if address is not None and self._is_listed(address):
            return _robot("SPIDER_OR_ROBOT", "FAILED_IP_EXCLUDE", "UNKNOWN")
        if user_agent is None:
            return _BROWSER
        text = user_agent.lower()
        if not any(
            pattern.matches(text) and (pattern.active or day < (pattern.until or ""))
            for pattern in self._lists.browsers
        ):
            return _robot("SPIDER_OR_ROBOT", "FAILED_UA_INCLUDE", "UNKNOWN")
        for pattern in self._lists.robots:
            if (pattern.active or pattern.until) and pattern.matches(text):
                is_active = pattern.until is None or day < pattern.until
                kind = "ACTIVE" if is_active else "INACTIVE"
                return _robot(f"{kind}_SPIDER_OR_ROBOT", "FAILED_UA_EXCLUDE", pattern.impact)
        return _BROWSER

    def _is_listed(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        number, bits = int(address), address.max_prefixlen
        return any(
            version == address.version
            and (version, length, number >> (bits - length) << (bits - length)) in self._by_length
            for version, length in self._lengths
        )


_BROWSER: dict[str, object] = {
    "spiderOrRobot": False,
    "category": "BROWSER",
    "reason": "PASSED_ALL",
    "primaryImpact": "NONE",
}


def _robot(category: str, reason: str, impact: str) -> dict[str, object]:
    return {
        "spiderOrRobot": True,
        "category": category,
        "reason": reason,
        "primaryImpact": impact,
    }


def read_networks(text: str) -> list[Network]:
    """The addresses and networks of a list, one a line; what follows a space, `|` or `#` is not.

    Raises:
        ConfigurationError: a line begins with something else.
    """
    networks = []
    for line in text.splitlines():
        first = re.split(r"[\s|#]", line.strip(), maxsplit=1)[0]
        if not first:
            continue
        try:
            networks.append(ipaddress.ip_network(first, strict=False))
        except ValueError as error:
            raise ConfigurationError(f"the list of addresses: {error}") from error
    return networks


def read_browsers(text: str) -> list[Pattern]:
    """Lines `pattern|active|only at the start|inactive since MM/dd/yyyy`."""
    return [
        Pattern(
            fields[0].lower(),
            at_start=fields[2] == "1",
            active=fields[1] == "1",
            until=_day(fields[3]),
        )
        for fields in _lines(text, 4)
    ]


def read_robots(text: str) -> list[Pattern]:
    """Lines `pattern|active|exceptions|…|impact|only at the start|inactive since`."""
    return [
        Pattern(
            fields[0].lower(),
            at_start=fields[5] == "1",
            active=fields[1] == "1",
            until=_day(fields[6]),
            exceptions=tuple(one.strip() for one in fields[2].lower().split(",") if one.strip()),
            impact=_IMPACTS.get(fields[4], "UNKNOWN"),
        )
        for fields in _lines(text, 7)
    ]


def _lines(text: str, fields: int) -> Iterable[list[str]]:
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            parts = [part.strip() for part in line.split("|")]
            yield [*parts, *[""] * fields][: max(fields, len(parts))]


def _day(text: str) -> str | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    month, day, year = map(int, match.groups())
    try:
        return datetime(year, month, day).strftime("%Y-%m-%d")  # noqa: DTZ001 - a day, no moment
    except ValueError:
        return None


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    ip_file: Asset
    exclude_useragent_file: Asset
    include_useragent_file: Asset
    exclude_useragents: list[str] = []
    include_useragents: list[str] = []


def make(configuration: Configuration, surroundings: Surroundings) -> DetectSpiders:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)

    def text(asset: Asset) -> str:
        path: Path = asset.required(surroundings.folder)
        return path.read_text("latin-1")

    added = [Pattern(one.lower()) for one in parameters.include_useragents]
    excluded = [Pattern(one.lower()) for one in parameters.exclude_useragents]
    lists = Lists(
        networks=read_networks(text(parameters.ip_file)),
        browsers=[*added, *read_browsers(text(parameters.include_useragent_file))],
        robots=[*excluded, *read_robots(text(parameters.exclude_useragent_file))],
    )
    return DetectSpiders(lists, mask_address=surroundings.mask_address)


KIND = Kind(
    vendor=ENRICHMENTS_VENDOR,
    name="iab_spiders_and_robots_enrichment",
    version="1-0-1",
    make=make,
)
