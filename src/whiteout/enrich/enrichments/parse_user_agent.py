"""What a user agent string says of browser, operating system and device, as an entity."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

import msgspec
from ua_parser import load_lazy_builtins
from ua_parser.core import Domain
from ua_parser.regex import Resolver as RustResolver

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    SNOWPLOW,
    Asset,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.errors import ConfigurationError
from whiteout.iglu.embedded.enrichments import UA_PARSER_CONTEXT
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ua_parser.core import PartialResult

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

_USERAGENT = COLUMN_INDEX["useragent"]
_MAX_LENGTH = ATOMIC_COLUMNS[_USERAGENT].max_length or 0
_UNKNOWN = "Other"
CACHE_SIZE = 10_000
"""User agents that are kept, with what they say."""


@cache
def builtin_parser() -> Callable[[str, Domain], PartialResult]:
    """ua-parser with its own definitions: one for all, as it takes 25 MB and 0.2 s to make."""
    return RustResolver(load_lazy_builtins())


def user_agent_of(event: EnrichedEvent) -> str | None:
    """The user agent of an event; None where there is none, or one too long to pass anyway."""
    user_agent = event.fields[_USERAGENT]
    return None if user_agent is None or len(user_agent) > _MAX_LENGTH else user_agent


class ParseUserAgent:
    """Adds the entity `ua_parser_context`.

    Args:
        cache_size: how many user agents are kept with what they say, some 2 kB each; when it is
            full, the one that was asked for longest ago goes. User agents repeat: without it, each
            event takes longer by a third.
        parse: reads a user agent; ua-parser with its own definitions by default.
    """

    schema = "iglu:com.snowplowanalytics.snowplow/ua_parser_config/jsonschema/1-0-1"
    identifier = "ua-parser"

    def __init__(
        self,
        *,
        cache_size: int = CACHE_SIZE,
        parse: Callable[[str, Domain], PartialResult] | None = None,
    ) -> None:
        self._parse = parse or builtin_parser()
        self._entities = lru_cache(maxsize=cache_size)(self._read)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """One entity; none where there is no user agent, or one too long to pass anyway."""
        user_agent = user_agent_of(event)
        return () if user_agent is None else self._entities(user_agent)

    def _read(self, user_agent: str) -> tuple[SelfDescribingJson]:
        result = self._parse(user_agent, Domain.ALL)
        agent, os, device = result.user_agent, result.os, result.device
        agent_family = agent.family if agent else _UNKNOWN
        agent_version = (agent.major, agent.minor, agent.patch) if agent else (None,) * 3
        os_family = os.family if os else _UNKNOWN
        os_version = (os.major, os.minor, os.patch, os.patch_minor) if os else (None,) * 4
        entity = SelfDescribingJson(
            UA_PARSER_CONTEXT,
            {
                "useragentFamily": agent_family,
                "useragentMajor": agent_version[0],
                "useragentMinor": agent_version[1],
                "useragentPatch": agent_version[2],
                "useragentVersion": _with_version(agent_family, agent_version),
                "osFamily": os_family,
                "osMajor": os_version[0],
                "osMinor": os_version[1],
                "osPatch": os_version[2],
                "osPatchMinor": os_version[3],
                "osVersion": _with_version(os_family, os_version),
                "deviceFamily": device.family if device else _UNKNOWN,
            },
        )
        return (entity,)


def _with_version(family: str, version: Sequence[str | None]) -> str:
    return f"{family} {'.'.join(part for part in version if part)}".strip()


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    database: str = ""
    uri: str = ""


def make(configuration: Configuration, surroundings: Surroundings) -> ParseUserAgent:
    """From the official configuration.

    A file of definitions that lies in the folder is used; without one those of the package
    `ua-parser-builtins`, which come from the same project.
    """
    parameters = read_parameters(configuration, _Parameters)
    path = Asset(parameters.database).path(surroundings.folder) if parameters.database else None
    if path is None:
        return ParseUserAgent()
    try:
        from ua_parser.loaders import load_yaml  # noqa: PLC0415 - only where it is configured

        if load_yaml is None:
            raise ConfigurationError(f"{path.name} needs a reader of YAML: pip install pyyaml")
        return ParseUserAgent(parse=RustResolver(load_yaml(path)))
    except (KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            f"{path.name} must have the format of uap-core's regexes.yaml: {error}"
        ) from error


KIND = Kind(vendor=SNOWPLOW, name="ua_parser_config", version="1-0-1", make=make)
