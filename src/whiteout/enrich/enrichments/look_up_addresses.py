"""Where an address is and who runs it, from MaxMind files that the user supplies.

The address is looked up as IP anonymisation leaves it (W8), host names are never resolved, and the
address of an anonymous event is placed no finer than the configured level.

Source: reference section 2.9, and the public description of MaxMind's databases.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.enrichments.anonymise_ip import lookup_form
from whiteout.enrich.enrichments.interface import (
    GEO_LEVELS,
    SNOWPLOW,
    Asset,
    Configuration,
    GeoLevel,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.errors import ConfigurationError
from whiteout.iglu.embedded.enrichments import ASN
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from maxminddb import Reader

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

_ADDRESS = COLUMN_INDEX["user_ipaddress"]
_INT32_MAX = 2**31 - 1

# Column, the level that it needs, and the way to it in a record.
_PLACES: tuple[tuple[str, GeoLevel, tuple[str | int, ...]], ...] = (
    ("geo_country", "country", ("country", "iso_code")),
    ("geo_region", "region", ("subdivisions", 0, "iso_code")),
    ("geo_region_name", "region", ("subdivisions", 0, "names", "en")),
    ("geo_timezone", "region", ("location", "time_zone")),
    ("geo_city", "city", ("city", "names", "en")),
    ("geo_zipcode", "full", ("postal", "code")),
    ("geo_latitude", "full", ("location", "latitude")),
    ("geo_longitude", "full", ("location", "longitude")),
)
_OPERATORS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "isp": (("ip_isp", "isp"), ("ip_organization", "organization")),
    "domain": (("ip_domain", "domain"),),
    "connection_type": (("ip_netspeed", "connection_type"),),
}


class LookUpAddresses:
    """Fills `geo_*` and `ip_*`, and adds the entity `asn`.

    Args:
        databases: open readers by `geo`, `isp`, `domain`, `connection_type` and `asn`.
        mask_address: what IP anonymisation makes of an address.
        anonymous_geo: how finely anonymous events are placed; who runs the network is told of them
            at `full` only.
    """

    schema = f"iglu:{SNOWPLOW}/ip_lookups/jsonschema/2-0-1"
    identifier = "ip-lookups"

    def __init__(
        self,
        databases: Mapping[str, Reader],
        *,
        mask_address: Callable[[str], str | None] | None = None,
        anonymous_geo: GeoLevel = "none",
    ) -> None:
        self._databases = databases
        self._mask_address = mask_address
        self._anonymous_level = GEO_LEVELS.index(anonymous_geo)
        self._full = GEO_LEVELS.index("full")

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """The entity `asn` where a database knows one; columns are set."""
        address = event.fields[_ADDRESS]
        level = self._anonymous_level if request.anonymous else self._full
        if address is None or level == 0:
            return ()
        if self._mask_address is not None:
            masked = self._mask_address(address)
            if masked is None:
                return ()
            address = lookup_form(masked)
        self._place(event.fields, address, level)
        return self._operator(event.fields, address) if level == self._full else ()

    def _place(self, fields: list[str | None], address: str, level: int) -> None:
        record = self._find("geo", address)
        for name, needed, way in _PLACES if record else ():
            if level >= GEO_LEVELS.index(needed):
                column = COLUMN_INDEX[name]
                fields[column] = _text(_follow(record, way), column)

    def _operator(self, fields: list[str | None], address: str) -> Sequence[SelfDescribingJson]:
        networks = [self._find("asn", address)]
        for database, columns in _OPERATORS.items():
            record = self._find(database, address)
            for name, key in columns if record else ():
                column = COLUMN_INDEX[name]
                fields[column] = _text(record.get(key), column)
            networks.append(record)
        for record in networks:
            number = record.get("autonomous_system_number")
            if isinstance(number, int) and 0 <= number <= _INT32_MAX:
                organization = record.get("autonomous_system_organization")
                data = {"number": number, "organization": organization}
                return (SelfDescribingJson(ASN, data),)
        return ()

    def _find(self, database: str, address: str) -> dict[str, Any]:
        """The record of an address; empty where there is none, or the file is broken there."""
        from maxminddb import InvalidDatabaseError  # noqa: PLC0415 - only where it is configured

        reader = self._databases.get(database)
        if reader is None:
            return {}
        try:
            record = reader.get(address)
        except (ValueError, InvalidDatabaseError):
            return {}
        return record if isinstance(record, dict) else {}


def _follow(record: object, way: tuple[str | int, ...]) -> object:
    for step in way:
        if isinstance(step, str):
            record = record.get(step) if isinstance(record, dict) else None
        else:
            record = record[step] if isinstance(record, list) and len(record) > step else None
    return record


def _text(value: object, column: int) -> str | None:
    """What a column can hold: a record that says more than that is not a reason to lose events."""
    if isinstance(value, float):
        return _shortest(value)
    longest = ATOMIC_COLUMNS[column].max_length
    if not isinstance(value, str) or not value or (longest and len(value) > longest):
        return None
    return value


def _shortest(value: float) -> str:
    """The shortest decimal that is the same 32-bit number, as Snowplow's columns have it."""
    single = struct.unpack("f", struct.pack("f", value))[0]
    for digits in range(1, 10):
        text = f"{single:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single:
            break
    return repr(float(text))


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    geo: Asset | None = None
    isp: Asset | None = None
    domain: Asset | None = None
    connection_type: Asset | None = None
    asn: Asset | None = None
    organization: Asset | None = None
    netspeed: Asset | None = None


# 1-0-0 names files of a format that MaxMind gave up; these say the same.
_SUCCESSORS: Mapping[str, tuple[str, str]] = {
    "GeoLiteCity.dat": ("geo", "GeoLite2-City.mmdb"),
    "GeoIPCity.dat": ("geo", "GeoIP2-City.mmdb"),
    "GeoIPISP.dat": ("isp", "GeoIP2-ISP.mmdb"),
    "GeoIPOrg.dat": ("isp", "GeoIP2-ISP.mmdb"),
    "GeoIPDomain.dat": ("domain", "GeoIP2-Domain.mmdb"),
    "GeoIPNetSpeed.dat": ("connection_type", "GeoIP2-Connection-Type.mmdb"),
    "GeoIPNetSpeedCell.dat": ("connection_type", "GeoIP2-Connection-Type.mmdb"),
}


def _successor(name: str, asset: Asset) -> tuple[str, Asset]:
    """The database that stands for one of 1-0-0; others as they are."""
    kind, file = _SUCCESSORS.get(asset.database, (name, asset.database))
    return kind, asset if file == asset.database else Asset(file)


def open_database(path: Path) -> Reader:
    """A reader of a MaxMind file.

    Raises:
        ConfigurationError: it is none, or the library for them is missing.
    """
    try:
        import maxminddb  # noqa: PLC0415 - only where it is configured
    except ImportError as error:
        raise ConfigurationError(
            "looking up addresses needs maxminddb: pip install 'whiteout[pipeline]'"
        ) from error
    try:
        return maxminddb.open_database(path)
    except (maxminddb.InvalidDatabaseError, OSError) as error:
        raise ConfigurationError(f"{path} must be a MaxMind DB file: {error}") from error


def make(configuration: Configuration, surroundings: Surroundings) -> LookUpAddresses:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)
    named = dict(
        _successor(name, asset)
        for name in parameters.__struct_fields__
        if (asset := getattr(parameters, name)) is not None
    )
    databases = {
        name: open_database(asset.required(surroundings.folder)) for name, asset in named.items()
    }
    return LookUpAddresses(
        databases,
        mask_address=surroundings.mask_address,
        anonymous_geo=surroundings.anonymous_geo,
    )


KIND = Kind(vendor=SNOWPLOW, name="ip_lookups", version="2-0-1", older=("1-0-0",), make=make)
