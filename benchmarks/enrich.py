"""How many events one core enriches, from Thrift bytes to the TSV line.

    python benchmarks/enrich.py

Realistic mobile events: a screen view with session, mobile and application entities in Base64, one
event a record. Everything is on: payload, envelopes and all five schemas validated, user agent
read, 131 columns checked and written. No I/O. Records are handed over in lots, as the loader does
and workers on Kafka. The peer is the same pipeline with `jsonschema` in place of `jsonschema-rs`
and ua-parser's pure Python in place of its Rust (`pip install jsonschema`; left out when missing).

Every record is of another user, session, screen and address (two thirds IPv4), and with URLs most
are of another page: among thousands of events a second hardly anybody comes again before a cache
has forgotten them, so none may help that remembers people. What repeats here repeats in such a
stream too: 500 user agents, schemas, sizes of screens, the seconds of the last minutes.

What is reported: the median of the rounds, CPU time of this process, pinned to one core, beside the
fastest and the slowest round. CPU time too is worse while the machine is busy with other work.
"""

from __future__ import annotations

import argparse
import base64
import gc
import importlib.util
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ua_parser import BasicResolver, load_builtins

from whiteout.enrich import BadRow, Dropped, Enricher, read_folder
from whiteout.enrich.enrichments.anonymise_ip import AnonymiseIp
from whiteout.enrich.enrichments.attribute_campaign import AttributeCampaign
from whiteout.enrich.enrichments.parse_user_agent import ParseUserAgent
from whiteout.enrich.enrichments.pseudonymise import Locator, Pseudonymise
from whiteout.enrich.json_path import JsonPath
from whiteout.enrich.pseudonyms import SaltedPseudonyms
from whiteout.iglu import EmbeddedRegistry, Resolver, Validator
from whiteout.protocol.collector_payload import CollectorPayload, encode
from whiteout.protocol.self_describing import CONTEXTS, PAYLOAD_DATA, UNSTRUCT_EVENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.enrich.enrichments.interface import Enrichment
    from whiteout.protocol.iglu import SchemaKey

NOW_MS = 1_700_000_003_000
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
MOBILE = "iglu:com.snowplowanalytics.mobile"
JSON_TYPE = "application/json; charset=utf-8"
RECORDS_AT_ONCE = 500  # as a worker takes them from Kafka; the loader takes more
MODELS = ("Pixel 7", "SM-S911B", "SM-A546B", "2201116SG", "CPH2449", "M2101K6G", "XQ-CC54")


def new_uuid(dice: random.Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


def user_agent(dice: random.Random) -> str:
    model, version = dice.choice(MODELS), dice.randint(9, 15)
    chrome = f"{dice.randint(90, 130)}.0.{dice.randint(4000, 6500)}.{dice.randint(10, 200)}"
    return (
        f"Mozilla/5.0 (Linux; Android {version}; {model}) AppleWebKit/537.36"
        f" (KHTML, like Gecko) Chrome/{chrome} Mobile Safari/537.36"
    )


def address(dice: random.Random) -> str:
    """Two of three are IPv4."""
    if dice.randrange(3):
        return ".".join(str(dice.randint(1, 254)) for _ in range(4))
    return f"2001:db8:{dice.getrandbits(16):x}:{dice.getrandbits(16):x}::{dice.getrandbits(16):x}"


def encode_base64(schema: str, data: object) -> str:
    text = json.dumps({"schema": schema, "data": data}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def entity(vendor: str, name: str, version: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"schema": f"{vendor}/{name}/jsonschema/{version}", "data": data}


def event(dice: random.Random, number: int, *, url: bool = False) -> dict[str, str]:
    created = NOW_MS - dice.randint(3_000, 90_000)
    screen = {
        "name": f"Screen {dice.randint(1, 60)}",
        "id": new_uuid(dice),
        "type": "full",
        "previousName": f"Screen {dice.randint(1, 60)}",
        "previousId": new_uuid(dice),
    }
    session = {
        "userId": new_uuid(dice),
        "sessionId": new_uuid(dice),
        "sessionIndex": dice.randint(1, 90),
        "eventIndex": number + 1,
        "previousSessionId": new_uuid(dice),
        "storageMechanism": "LOCAL_STORAGE",
        "firstEventId": new_uuid(dice),
        "firstEventTimestamp": "2023-11-14T22:00:00.000Z",
    }
    mobile = {
        "osType": "android",
        "osVersion": str(dice.randint(9, 15)),
        "deviceManufacturer": "Maker",
        "deviceModel": dice.choice(MODELS),
        "carrier": f"Carrier {dice.randint(1, 40)}",
        "networkType": dice.choice(["wifi", "mobile"]),
        "networkTechnology": "LTE",
        "physicalMemory": 8_000_000_000,
        "systemAvailableMemory": dice.randint(1, 8_000_000_000),
        "batteryLevel": dice.randint(1, 100),
        "batteryState": "unplugged",
        "lowPowerMode": False,
        "availableStorage": dice.randint(1, 128_000_000_000),
        "totalStorage": 128_000_000_000,
        "isPortrait": True,
        "resolution": "1080x2400",
        "language": "de-DE",
        "scale": 2.625,
    }
    application = {"version": f"4.{dice.randint(0, 20)}.1", "build": str(dice.randint(400, 500))}
    campaign = f"utm_source=mail&utm_medium=m{dice.randint(1, 9)}&utm_campaign=spring"
    user = {
        "uid": f"user-{dice.randint(1, 10**6)}",
        "url": f"https://shop.example/p/{dice.randint(1, 999)}?{campaign}",
    }
    return {
        **(user if url else {}),
        "e": "ue",
        "eid": new_uuid(dice),
        "tv": "andr-6.3.2",
        "tna": "shop",
        "aid": "com.example.shop",
        "p": "mob",
        "dtm": str(created),
        "stm": str(NOW_MS - 1_500),
        "tz": "Europe/Berlin",
        "lang": "Deutsch",
        "res": "1080x2400",
        "ue_px": encode_base64(UNSTRUCT_EVENT, entity(MOBILE, "screen_view", "1-0-0", screen)),
        "cx": encode_base64(
            CONTEXTS,
            [
                entity(SNOWPLOW, "client_session", "1-0-2", session),
                entity(SNOWPLOW, "mobile_context", "1-0-3", mobile),
                entity(MOBILE, "application", "1-0-0", application),
            ],
        ),
    }


def record(
    dice: random.Random, agents: list[str], *, events: int, anonymous: bool, url: bool = False
) -> bytes:
    agent = dice.choice(agents)
    data = [event(dice, number, url=url) for number in range(events)]
    body = {"schema": PAYLOAD_DATA, "data": data}
    marks = ("SP-Anonymous: *",) if anonymous else ()
    return encode(
        CollectorPayload(
            ip_address="unknown" if anonymous else address(dice),
            timestamp=NOW_MS - dice.randint(0, 1_000),
            collector="whiteout-0.1.0",
            user_agent=agent,
            path="/com.snowplowanalytics.snowplow/tp2",
            querystring="",
            body=json.dumps(body, separators=(",", ":")),
            headers=(
                "Host: collector.example.com",
                f"User-Agent: {agent}",
                "Accept: */*",
                "Accept-Encoding: gzip",
                *marks,
                JSON_TYPE,
            ),
            content_type=JSON_TYPE,
            network_user_id=new_uuid(dice),
        )
    )


class SlowResolver(Resolver):
    """Validates with `jsonschema`, compiled once, kept and found as here."""

    def validator(self, key: SchemaKey) -> Validator:
        import jsonschema  # type: ignore[import-untyped,unused-ignore]

        if key.uri not in self._by_uri:
            schema = {
                name: value
                for name, value in self.lookup(key).items()
                if name not in ("$schema", "self")
            }
            checker = jsonschema.Draft4Validator.FORMAT_CHECKER
            slow = jsonschema.Draft4Validator(schema, format_checker=checker)
            self._by_uri[key.uri] = Validator(slow.is_valid, slow.iter_errors)
            self._standard.add(key.uri)  # the peer reads envelopes the short way too
        return self._by_uri[key.uri]


def microseconds(enricher: Enricher, records: list[bytes], rounds: int) -> list[float]:
    """CPU time of each round, for one event; sorted."""
    found = []
    for _ in range(rounds):
        events = 0
        started = time.process_time_ns()
        for first in range(0, len(records), RECORDS_AT_ONCE):
            for results in enricher.enrich_all(records[first : first + RECORDS_AT_ONCE]):
                for result in results:
                    if isinstance(result, BadRow | Dropped):
                        raise TypeError(repr(result))
                    result.tsv()
                    events += 1
        found.append((time.process_time_ns() - started) / events / 1000)
    return sorted(found)


def make_enricher(resolver: Resolver, *enrichments: Enrichment) -> Enricher:
    dice = random.Random(7)
    return Enricher(
        resolver,
        now_ms=lambda: NOW_MS,
        new_uuid=lambda: UUID(new_uuid(dice)),
        enrichments=enrichments,
    )


def privacy_enrichments() -> list[Enrichment]:
    """Campaigns attributed, the address masked, four columns and an entity's user pseudonymised."""
    names = ("medium", "source", "term", "content", "campaign")
    session = Locator(
        "contexts", f"{SNOWPLOW}/client_session/jsonschema/1-*-*", JsonPath("$.userId")
    )
    return [
        AttributeCampaign({f"mkt_{name}": [f"utm_{name}"] for name in names}),
        AnonymiseIp(octets=1),
        Pseudonymise(
            columns=["user_id", "user_ipaddress", "network_userid", "domain_userid"],
            locators=[session],
            pseudonyms=SaltedPseudonyms("SHA-256", "salt"),
        ),
    ]


def all_enrichments(resolver: Resolver, *, python: bool) -> Iterator[Enricher]:
    """Everything that can be switched on, from configurations in a folder; Python last of all.

    The folder is that of the tests, with lists that know what is asked.
    """
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.support.all_enrichments import configure_all

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configure_all(folder, privacy=True)
        if not python:
            (folder / "python_script_config.json").unlink()
        yield make_enricher(resolver, *read_folder(folder).enrichments)


def report(name: str, times: list[float]) -> float:
    median = statistics.median(times)
    print(
        f"{name:44} {median:7.1f} us ({times[0]:.1f} to {times[-1]:.1f})"
        f"  {1e6 / median:8,.0f} events/s"
    )
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    dice = random.Random(20231114)
    agents = [user_agent(dice) for _ in range(500)]
    print(
        f"Python {platform.python_version()}, {platform.machine()}, one core;"
        f" load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores;"
        f" {arguments.records} records, {len(agents)} user agents, median of {arguments.rounds}"
    )

    def records(count: int, **settings: Any) -> list[bytes]:  # noqa: ANN401 - passed on
        return [record(dice, agents, **settings) for _ in range(count)]

    fast = make_enricher(Resolver([EmbeddedRegistry()]), ParseUserAgent())
    single = records(arguments.records, events=1, anonymous=False)
    anonymous = records(arguments.records, events=1, anonymous=True)
    batches = records(arguments.records // 10, events=10, anonymous=False)
    gc.freeze()  # the records are the benchmark's, not the pipeline's
    microseconds(fast, single, 1)  # schemas, user agents
    ours = report("1 event a record", microseconds(fast, single, arguments.rounds))
    report("1 event a record, SP-Anonymous", microseconds(fast, anonymous, arguments.rounds))
    report("10 events a record", microseconds(fast, batches, arguments.rounds))
    masking = make_enricher(
        Resolver([EmbeddedRegistry()]), ParseUserAgent(), *privacy_enrichments()
    )
    with_url = records(arguments.records, events=1, anonymous=False, url=True)
    microseconds(masking, with_url, 1)
    report("with PII, IP and campaign, user and URL", microseconds(masking, with_url, 5))
    if importlib.util.find_spec("mmdb_writer") is None:
        print("with every enrichment: not measured, `pip install mmdb-writer` first")
    else:
        for with_python in (False, True):
            for every in all_enrichments(Resolver([EmbeddedRegistry()]), python=with_python):
                some = with_url[:: 4 if with_python else 1]
                microseconds(every, some, 1)
                name = "and a Python function" if with_python else "with every other enrichment"
                report(name, microseconds(every, some, 3))
    uncached = make_enricher(Resolver([EmbeddedRegistry()]), ParseUserAgent(cache_size=1))
    report("1 event a record, every user agent new", microseconds(uncached, single, 3))
    if importlib.util.find_spec("jsonschema") is None:
        print(
            "the same with jsonschema and pure Python: not measured, `pip install jsonschema` first"
        )
        return
    python = ParseUserAgent(parse=BasicResolver(load_builtins()))
    slow = make_enricher(SlowResolver([EmbeddedRegistry()]), python)
    few = single[: max(len(single) // 10, 1)]
    microseconds(slow, few, 1)
    theirs = report("the same with jsonschema and pure Python", microseconds(slow, few, 5))
    print(f"{theirs / ours:.1f} times as fast")


if __name__ == "__main__":
    main()
