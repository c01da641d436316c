"""Which campaign led to the page, from the query of its URL.

Source: reference section 2.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import msgspec

from whiteout.enrich import conversions
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    SNOWPLOW,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson

_QUERY = COLUMN_INDEX["page_urlquery"]
_CLICK_ID, _NETWORK = COLUMN_INDEX["mkt_clickid"], COLUMN_INDEX["mkt_network"]
_CLICK_IDS = {"gclid": "Google", "msclkid": "Microsoft", "dclid": "DoubleClick"}


class AttributeCampaign:
    """Fills the `mkt_*` columns.

    Args:
        fields: column to the query's names that fill it; the first that is present does.
        click_ids: name of a click id in the query to the network that makes it; joined with those
            of Google, Microsoft and DoubleClick.
    """

    schema = f"iglu:{SNOWPLOW}/campaign_attribution/jsonschema/1-0-1"
    identifier = "campaign-attribution"

    def __init__(
        self, fields: Mapping[str, Sequence[str]], click_ids: Mapping[str, str] | None = None
    ) -> None:
        self._fields = tuple((COLUMN_INDEX[column], tuple(fields[column])) for column in fields)
        self._click_ids = {**(click_ids or {})}
        for name, network in _CLICK_IDS.items():
            self._click_ids.setdefault(name, network)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: columns are set."""
        query = event.fields[_QUERY]
        if query is None:
            return ()
        found: dict[str, str] = {}
        decode = unquote_plus if "%" in query or "+" in query else str
        for part in query.split("&"):
            name, _, value = part.partition("=")
            found.setdefault(decode(name), value)
        columns = event.fields
        for column, names in self._fields:
            for name in names:
                if name in found:
                    columns[column] = conversions.text(decode(found[name]))
                    break
        for name, network in self._click_ids.items():
            if name in found:
                columns[_CLICK_ID] = conversions.text(decode(found[name]))
                columns[_NETWORK] = network
                break
        return ()


class _Fields(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    mkt_medium: list[str]
    mkt_source: list[str]
    mkt_term: list[str]
    mkt_content: list[str]
    mkt_campaign: list[str]
    mkt_click_id: dict[str, str] = {}


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    fields: _Fields
    mapping: str | None = "static"


def make(configuration: Configuration, surroundings: Surroundings) -> AttributeCampaign:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)
    if parameters.mapping not in (None, "static"):
        raise ConfigurationError(f"mapping must be static, got {parameters.mapping!r}")
    fields = parameters.fields
    names = ("mkt_medium", "mkt_source", "mkt_term", "mkt_content", "mkt_campaign")
    return AttributeCampaign({name: getattr(fields, name) for name in names}, fields.mkt_click_id)


KIND = Kind(vendor=SNOWPLOW, name="campaign_attribution", version="1-0-1", make=make)
