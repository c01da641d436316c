"""Addresses lose their last parts; what is no address is not kept at all."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.conftest import MINIMAL, post
from tests.enrich.enrichments.support import SNOWPLOW, bench_of, configure

from whiteout.enrich.enrichments.anonymise_ip import AnonymiseIp, lookup_form
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.iglu import Resolver


@pytest.mark.parametrize(
    ("address", "octets", "segments", "expected"),
    [
        ("0.23.0.20", 1, None, "0.23.0.x"),
        ("94.15.213.171", 4, None, "x.x.x.x"),
        ("4b0c::880c:99a8:4b0:4411", 2, None, "4b0c:0:0:0:880c:99a8:x:x"),
        ("2605:2700:0:3::4713:93e3", 1, 4, "2605:2700:0:3:x:x:x:x"),
        ("2605:2700:0:3::4713:93e3", 1, 8, "x:x:x:x:x:x:x:x"),
        ("::1", 3, None, "0:0:0:0:0:x:x:x"),
        ("::192.168.0.1", 1, None, "0:0:0:0:0:0:c0a8:x"),
        ("f334::40cb:152.16.24.142", 2, None, "f334:0:0:0:0:40cb:x:x"),
        ("::FFFF:152.16.24.123", 2, None, "::FFFF:152.16.x.x"),
        ("::FFFF:152.16.24.123", 4, None, "::FFFF:x.x.x.x"),
    ],
)
def test_BE31_addresses_are_masked_as_the_official_tests_have_them(
    address: str, octets: int, segments: int | None, expected: str
) -> None:
    assert AnonymiseIp(octets=octets, segments=segments).mask_address(address) == expected


@pytest.mark.parametrize(
    "text",
    [
        "777.2",
        "777.2.23",
        "999.aaa.bbb.c",
        "2700:zzzz::gggg",
        "hello;goodbye",
        "unknown",
        "",
        "x.x",
        "[2001:db8::1]",
        "a" * 1000000,
        "1.2.3.4\n",
        "1.2.3.4 ",
    ],
)
def test_W9_what_is_no_address_becomes_null_instead_of_passing_unchanged(text: str) -> None:
    """BE31 has most of these; there they pass."""
    assert AnonymiseIp(octets=1).mask_address(text) is None


def test_W9_an_ipv4_address_in_hexadecimal_ipv6_loses_its_octets() -> None:
    assert AnonymiseIp(octets=1).mask_address("::ffff:9810:187b") == "::FFFF:152.16.24.x"


@given(st.ip_addresses(v=4).map(str), st.integers(1, 4))
def test_BE31_exactly_as_many_octets_go_as_are_configured(address: str, octets: int) -> None:
    masked = AnonymiseIp(octets=octets).mask_address(address)

    assert masked is not None
    parts = masked.split(".")
    assert parts == address.split(".")[: 4 - octets] + ["x"] * octets


@given(st.ip_addresses(v=6).map(str), st.integers(1, 8))
def test_BE31_exactly_as_many_segments_go_as_are_configured(address: str, segments: int) -> None:
    if ipaddress.IPv6Address(address).ipv4_mapped is not None:
        return
    masked = AnonymiseIp(octets=1, segments=segments).mask_address(address)

    exploded = [f"{int(part, 16):x}" for part in ipaddress.ip_address(address).exploded.split(":")]
    assert masked is not None
    assert masked.split(":") == exploded[: 8 - segments] + ["x"] * segments


@given(st.ip_addresses().map(str), st.integers(1, 4))
def test_a_masked_address_can_be_looked_up(address: str, octets: int) -> None:
    masked = AnonymiseIp(octets=octets).mask_address(address)

    assert masked is not None
    ipaddress.ip_address(lookup_form(masked))


@pytest.mark.parametrize("parameters", [{"anonOctets": 0}, {"anonOctets": 5}, {"anonSegments": 1}])
def test_a_number_outside_its_range_is_refused(
    parameters: dict[str, int], tmp_path: Path, resolver: Resolver
) -> None:
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", parameters)

    with pytest.raises(ConfigurationError, match=r"anon_ip\.json: .*anonOctets"):
        bench_of(tmp_path, resolver)


def test_the_column_is_masked_whoever_filled_it(tmp_path: Path, resolver: Resolver) -> None:
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-0", {"anonOctets": 2})
    bench = bench_of(tmp_path, resolver)

    assert bench.event(post(MINIMAL))["user_ipaddress"] == "192.0.x.x"
    assert bench.event(post({**MINIMAL, "ip": "198.51.100.9"}))["user_ipaddress"] == "198.51.x.x"
    assert bench.event(post(MINIMAL, ip_address="unknown"))["user_ipaddress"] is None
