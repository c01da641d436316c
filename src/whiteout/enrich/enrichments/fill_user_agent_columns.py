"""What a user agent string says, in the columns that Snowplow's deprecated library filled.

As far as ua-parser knows it: names, families and versions of browser and system, the kind of
device and whether it is a mobile one. `br_type`, `br_renderengine` and `os_manufacturer` stay
empty: nothing in ua-parser says them.

Source: reference section 2.9.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ua_parser.core import Domain

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    SNOWPLOW,
    Configuration,
    Kind,
    NoParameters,
    Surroundings,
    read_parameters,
)
from whiteout.enrich.enrichments.parse_user_agent import (
    CACHE_SIZE,
    builtin_parser,
    user_agent_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ua_parser.core import PartialResult

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson

_COMPUTERS = frozenset(
    "Windows|Mac OS X|Linux|Ubuntu|Fedora|Debian|Red Hat|CentOS|Chrome OS|FreeBSD|OpenBSD".split(
        "|"
    )
)


class FillUserAgentColumns:
    """Fills `br_name`, `br_family`, `br_version`, `os_name`, `os_family` and `dvce_*`."""

    schema = f"iglu:{SNOWPLOW}/user_agent_utils_config/jsonschema/1-0-0"
    identifier = "user-agent-utils"

    def __init__(self) -> None:
        self._columns = lru_cache(maxsize=CACHE_SIZE)(_columns)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: columns are set."""
        user_agent = user_agent_of(event)
        for column, text in () if user_agent is None else self._columns(user_agent):
            event.fields[column] = text
        return ()


def _columns(user_agent: str) -> list[tuple[int, str]]:
    """Columns and what they say, as far as they can hold it."""
    columns = []
    for name, text in _said(builtin_parser()(user_agent, Domain.ALL), user_agent):
        column = COLUMN_INDEX[name]
        longest = ATOMIC_COLUMNS[column].max_length
        if text and (longest is None or len(text) <= longest):
            columns.append((column, text))
    return columns


def _said(found: PartialResult, user_agent: str) -> Iterator[tuple[str, str]]:
    agent, system, device = found.user_agent, found.os, found.device
    if agent is not None:
        yield "br_family", agent.family
        yield "br_name", " ".join(part for part in (agent.family, agent.major) if part)
        yield (
            "br_version",
            ".".join(part for part in (agent.major, agent.minor, agent.patch) if part),
        )
    if system is not None:
        yield "os_family", system.family
        yield "os_name", " ".join(part for part in (system.family, system.major) if part)
        kind = _kind(system.family, "" if device is None else device.family, user_agent)
        if kind is not None:
            yield "dvce_type", kind
            yield "dvce_ismobile", "0" if kind == "Computer" else "1"


def _kind(system: str, device: str, user_agent: str) -> str | None:
    """The kind of device; None where nothing says it, as for robots and televisions."""
    if device == "Spider":
        return None
    if system in _COMPUTERS:
        return "Computer"
    if system == "iOS":
        return "Tablet" if device.startswith("iPad") else "Mobile"
    if system == "Android" and "TV" not in user_agent:
        return "Mobile" if "Mobile" in user_agent else "Tablet"
    return "Mobile" if system == "Windows Phone" else None


def make(configuration: Configuration, surroundings: Surroundings) -> FillUserAgentColumns:
    """From the official configuration."""
    read_parameters(configuration, NoParameters)
    return FillUserAgentColumns()


KIND = Kind(vendor=SNOWPLOW, name="user_agent_utils_config", version="1-0-0", make=make)
