"""Whether the network of an address is one of data centres rather than of people, by a list.

It takes the entity `asn` of the look-up of addresses, which runs before.

Source: reference sections 2.9 and BE41.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.conversions import PLATFORMS
from whiteout.enrich.enrichments.interface import (
    ENRICHMENTS_VENDOR,
    Asset,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.errors import ConfigurationError
from whiteout.iglu.embedded.enrichments import ASN
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

_PLATFORM = COLUMN_INDEX["platform"]


class LookUpNetworks:
    """Says `likelyBot` in the entity `asn`.

    Args:
        networks: numbers of autonomous systems where no people are.
        bypass_platforms: platforms whose events are left alone.
    """

    schema = f"iglu:{ENRICHMENTS_VENDOR}/asn_lookups/jsonschema/1-0-0"
    identifier = "asn-lookups"

    def __init__(self, networks: Iterable[int], bypass_platforms: Iterable[str] = ()) -> None:
        self._networks = frozenset(networks)
        self._bypassed = frozenset(bypass_platforms)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No new entity: that of the look-up is replaced."""
        if event.fields[_PLATFORM] in self._bypassed:
            return ()
        for position, entity in enumerate(event.derived_contexts):
            if entity.schema == ASN:
                likely = entity.data["number"] in self._networks
                data = {**entity.data, "likelyBot": likely}
                event.derived_contexts[position] = SelfDescribingJson(ASN, data)
        return ()


class _Network(msgspec.Struct, forbid_unknown_fields=True):
    asn: int
    name: str = ""


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    bot_asns_file: Asset | None = None
    bot_asns: list[_Network] = []
    bypass_platforms: list[str] = []


def make(configuration: Configuration, surroundings: Surroundings) -> LookUpNetworks:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)
    unknown = sorted(set(parameters.bypass_platforms) - PLATFORMS)
    if unknown:
        raise ConfigurationError(f"bypassPlatforms has unknown platforms: {', '.join(unknown)}")
    networks = {network.asn for network in parameters.bot_asns}
    if parameters.bot_asns_file is not None:
        path = parameters.bot_asns_file.required(surroundings.folder)
        networks |= read_networks(path.read_text("utf-8"), path.name)
    return LookUpNetworks(networks, parameters.bypass_platforms)


def read_networks(text: str, name: str) -> set[int]:
    """The numbers in the first column of a CSV file; a first line without one is its head.

    Raises:
        ConfigurationError: another line has none.
    """
    networks = set()
    for number, line in enumerate(text.splitlines()):
        first = line.partition(",")[0].strip().strip('"').upper().removeprefix("AS")
        if first.isascii() and first.isdigit():
            networks.add(int(first))
        elif line.strip() and number > 0:
            raise ConfigurationError(
                f"{name}, line {number + 1}: the first column must be a number such as 64496"
            )
    return networks


KIND = Kind(vendor=ENRICHMENTS_VENDOR, name="asn_lookups", version="1-0-0", make=make)
