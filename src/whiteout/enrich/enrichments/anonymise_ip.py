"""Takes the last parts of the address away.

Source: reference section 2.10.1. Unlike Snowplow's, what is not an address becomes null instead of
passing unchanged (W9).
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import TYPE_CHECKING

import msgspec

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
    from collections.abc import Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson

_ADDRESS = COLUMN_INDEX["user_ipaddress"]
_OCTETS, _SEGMENTS = 4, 8
_MAPPED = b"\0" * 10 + b"\xff" * 2
_read_segments = Struct(">8H").unpack


class AnonymiseIp:
    """Replaces the last parts of `user_ipaddress` by `x`.

    Args:
        octets: how many parts of an IPv4 address, 1 to 4.
        segments: how many parts of an IPv6 address, 1 to 8; by default as many as octets.

    Raises:
        ConfigurationError: a number is outside its range.
    """

    schema = f"iglu:{SNOWPLOW}/anon_ip/jsonschema/1-0-1"
    identifier = "anon-ip"
    hidden_parameters = frozenset({"ip"})

    def __init__(self, *, octets: int, segments: int | None = None) -> None:
        if not 1 <= octets <= _OCTETS:
            raise ConfigurationError(f"anonOctets must be 1 to 4, got {octets!r}")
        segments = octets if segments is None else segments
        if not 1 <= segments <= _SEGMENTS:
            raise ConfigurationError(f"anonSegments must be 1 to 8, got {segments!r}")
        self._kept_octets = _OCTETS - octets
        self._octet_marks = ["x"] * octets
        self._kept_segments = _SEGMENTS - segments
        self._segments_form = ":".join(["%x"] * self._kept_segments + ["x"] * segments)

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: the column is changed."""
        address = event.fields[_ADDRESS]
        if address is not None:
            event.fields[_ADDRESS] = self.mask_address(address)
        return ()

    def mask_address(self, address: str) -> str | None:
        """The address without its last parts; None where it is not one."""
        if ":" not in address:
            try:
                socket.inet_pton(socket.AF_INET, address)
            except (OSError, ValueError):
                return None
            return self._mask_octets(address)
        try:
            packed = socket.inet_pton(socket.AF_INET6, address)
        except (OSError, ValueError):
            return None
        if packed.startswith(_MAPPED):
            return f"::FFFF:{self._mask_octets(socket.inet_ntop(socket.AF_INET, packed[12:]))}"
        return self._segments_form % _read_segments(packed)[: self._kept_segments]

    def _mask_octets(self, address: str) -> str:
        return ".".join(address.split(".")[: self._kept_octets] + self._octet_marks)

    def applies(self, request: Request) -> bool:
        """To every request."""
        return True

    def mask(self, column: int, text: str) -> str | None:
        """What may stand in a column."""
        return self.mask_address(text) if column == _ADDRESS else text

    def mask_parts(self, event: EnrichedEvent) -> None:
        """Nothing: the enrichment knows one column."""


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    anon_octets: int
    anon_segments: int | None = None


def make(configuration: Configuration, surroundings: Surroundings) -> AnonymiseIp:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)
    return AnonymiseIp(octets=parameters.anon_octets, segments=parameters.anon_segments)


KIND = Kind(vendor=SNOWPLOW, name="anon_ip", version="1-0-1", make=make, is_privacy=True)


def lookup_form(masked: str) -> str:
    """An address that can be looked up, from one that was masked: the parts gone are zero."""
    return masked.removeprefix("::FFFF:").replace("x", "0")
