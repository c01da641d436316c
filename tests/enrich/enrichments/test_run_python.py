"""A function of the operator's, in a process of its own."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import (
    JSON_TYPE,
    MINIMAL,
    Bench,
    contexts,
    kind,
    messages,
    post,
    thing,
    unstruct_event,
)
from tests.enrich.enrichments.support import SNOWPLOW, as_pairs, bench_of, configure

from whiteout.enrich import Dropped, read_folder
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whiteout.iglu import Resolver

    Scripted = Callable[..., Bench]

ENTITY = '{"schema": "iglu:com.acme/thing/jsonschema/1-0-0", "data": {"name": "added"}}'


@pytest.fixture
def scripted(tmp_path: Path, resolver: Resolver) -> Scripted:
    """Makes a bench that runs the function whose body is given."""
    numbers = itertools.count(1)

    def make(*bodies: str, time_limit_ms: int = 2_000, **config: Any) -> Bench:  # noqa: ANN401
        for body in bodies:
            number = next(numbers)
            lines = "\n".join(f"    {line}" for line in body.splitlines())
            script = tmp_path / f"{number}.py"
            script.write_text(f"def enrich(event, headers, config):\n{lines}\n")
            configure(
                tmp_path,
                "whiteout",
                "python_script_config",
                "1-0-0",
                {"script": script.name, "timeLimitMs": time_limit_ms, "config": config},
                file=f"{number}.json",
            )
        return bench_of(tmp_path, resolver)

    return make


def failure_of(bench: Bench, **parameters: str) -> dict[str, Any]:
    row = bench.bad(post({**MINIMAL, **parameters}))
    assert kind(row) == "enrichment_failures"
    (message,) = messages(row)
    assert message["enrichment"]["identifier"] == "python-script"
    inner: dict[str, Any] = message["message"]
    return inner


def test_it_reads_the_event_and_sets_columns_of_every_type(scripted: Scripted) -> None:
    bench = scripted(
        "event['app_id'] = event['app_id'].upper() + config['suffix']\n"
        "event['mkt_medium'] = headers[0]\n"
        "event['se_value'] = 1.5\n"
        "event['txn_id'] = 7\n"
        "event['dvce_ismobile'] = True\n"
        "event['true_tstamp'] = '2023-11-14 22:13:20.000'\n"
        "event['page_title'] = None\n"
        "del event['page_referrer']",
        suffix="!",
    )

    event = bench.event(
        post({**MINIMAL, "aid": "shop", "page": "t", "refr": "http://a/"}, headers=("Accept: x",))
    )

    names = "app_id mkt_medium se_value txn_id dvce_ismobile true_tstamp page_title page_referrer"
    assert [event[name] for name in names.split()] == [
        "SHOP!",
        "Accept: x",
        "1.5",
        "7",
        "1",
        "2023-11-14 22:13:20.000",
        None,
        None,
    ]


def test_it_adds_entities_which_are_validated(scripted: Scripted) -> None:
    bench = scripted(f"return [{ENTITY}]")
    wrong = ENTITY.replace('"added"', "5")

    assert as_pairs(bench.event(post(MINIMAL)).derived_contexts) == [("thing", {"name": "added"})]
    row = scripted(f"return [{wrong}]").bad(post(MINIMAL))
    assert kind(row) == "schema_violations"  # BE24


def test_BE26_it_sees_what_came_before_and_scripts_run_in_order(scripted: Scripted) -> None:
    bench = scripted(
        f"return [{ENTITY}]",
        "event['app_id'] = event['derived_contexts'][0]['data']['name']",
        "event['app_id'] += '-again'",
    )

    assert bench.event(post(MINIMAL))["app_id"] == "added-again"


def test_BE26_derived_entities_can_be_erased(scripted: Scripted) -> None:
    bench = scripted(
        f"return [{ENTITY}]",
        f"event['derived_contexts'] = []\nreturn [{ENTITY.replace('added', 'mine')}]",
    )

    event = bench.event(post(MINIMAL))

    assert as_pairs(event.derived_contexts) == [("thing", {"name": "mine"})]


def test_BE26_what_it_changes_of_the_tracker_s_is_validated_again(scripted: Scripted) -> None:
    bench = scripted(
        "event['contexts'] = [one for one in event['contexts'] if one['data']['name'] != 'b']\n"
        "event['unstruct_event']['data']['name'] = config['name']",
        name="changed",
    )
    sent = {
        "e": "ue",
        "ue_pr": unstruct_event(thing(name="x")),
        "co": contexts(thing(name="a"), thing(name="b")),
    }

    event = bench.event(post({**MINIMAL, **sent}))

    assert as_pairs(event.contexts) == [("thing", {"name": "a"})]
    assert json.loads(event["contexts"] or "")["data"] == [thing(name="a")]
    assert json.loads(event["unstruct_event"] or "")["data"] == thing(name="changed")


def test_BE26_a_change_that_breaks_the_event_is_a_violation(scripted: Scripted) -> None:
    bench = scripted("event['contexts'][0]['data'] = {'name': 5}")

    row = bench.bad(post({**MINIMAL, "co": contexts(thing(name="a"))}))

    assert kind(row) == "schema_violations"


@pytest.mark.parametrize(
    "parameters",
    [{}, {"tid": "x"}, {"co": contexts(thing(wrong=1))}, {"e": "ad"}, {"aid": "x" * 999}],
)
def test_BE26_drop_leaves_nothing_whatever_else_is_wrong(
    parameters: dict[str, str], scripted: Scripted
) -> None:
    bench = scripted("raise DropEvent")

    (result,) = bench.enricher.enrich(post({**MINIMAL, **parameters}))

    assert isinstance(result, Dropped)


def test_an_event_that_is_dropped_keeps_its_place_among_the_others(scripted: Scripted) -> None:
    """The lake knows results by their places."""
    bench = scripted("if event['app_id'] == 'b': raise DropEvent")
    record = post(*({**MINIMAL, "aid": name} for name in "abc"))

    results = bench.enricher.enrich(record)

    assert [isinstance(one, Dropped) for one in results] == [False, True, False]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise ValueError(event['app_id'])", "the function raised ValueError"),
        ("return 5", "the function raised TypeError"),
        ("return [object()]", "the result is not JSON"),
        ("return [{}]", "no self-describing JSON"),
        ("return [{'schema': 'x', 'data': {}}]", "no self-describing JSON"),
        ("event['no_such'] = 'x'", "'no_such', which is no column it may set"),
        ("event['event_id'] = 'x'", "'event_id', which is no column it may set"),
        ("event['txn_id'] = 'x'", "txn_id to what is no integer"),
        ("event['txn_id'] = []", "neither text nor number"),
        ("event['contexts'] = 5", "where a list of entities belongs"),
        ("import os; os._exit(1)", "its process has died"),
        ("import sys; sys.exit()", "the function raised SystemExit"),
        ("return ['x' * 5_000_000]", "its answer is too large"),
    ],
)
def test_what_goes_wrong_in_it_is_a_failure_that_says_nothing_of_the_event(
    body: str, problem: str, scripted: Scripted
) -> None:
    bench = scripted(f"if event['app_id'] == 'canary':\n    {body}")

    failure = failure_of(bench, aid="canary")

    assert problem in failure["error"]
    assert "canary" not in failure["error"]
    assert bench.event(post({**MINIMAL, "aid": "next"}))["app_id"] == "next"


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(60)"])
def test_what_takes_too_long_is_killed_and_the_next_event_is_not(
    body: str, scripted: Scripted
) -> None:
    bench = scripted(f"if event['app_id'] == 'slow':\n    {body}", time_limit_ms=200)
    started = time.monotonic()

    failure = failure_of(bench, aid="slow")

    assert failure["error"] == "the function failed: it took longer than 200 ms"
    assert time.monotonic() - started < 5
    assert bench.event(post({**MINIMAL, "aid": "next"}))["app_id"] == "next"


def test_what_it_prints_goes_nowhere(scripted: Scripted, capfd: pytest.CaptureFixture[str]) -> None:
    bench = scripted("import sys; print(event); print(event, file=sys.stderr)\nreturn []")

    bench.event(post(MINIMAL))

    assert capfd.readouterr() == ("", "")


def test_an_anonymous_request_has_no_more_headers_for_it(scripted: Scripted) -> None:
    bench = scripted("event['page_title'] = repr(headers)")
    headers = ("Cookie: a=b", "X-Forwarded-For: 192.0.2.9", "SP-Anonymous: *", JSON_TYPE)

    event = bench.event(post(MINIMAL, headers=headers))

    assert event["page_title"] == f"['SP-Anonymous: *', '{JSON_TYPE}']"


def test_addresses_and_pseudonyms_come_after_it(
    scripted: Scripted, tmp_path: Path, resolver: Resolver
) -> None:
    scripted("event['user_ipaddress'] = '198.51.100.7'")
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1})

    event = bench_of(tmp_path, resolver).event(post(MINIMAL))

    assert event["user_ipaddress"] == "198.51.100.x"


SEEN = "event['page_title'] = str(event.get('user_ipaddress')) + ' ' + ' '.join(headers)"
HEADERS = ("X-Forwarded-For: 198.51.100.7", "Accept: x", "Cookie: a=b")


@pytest.mark.parametrize(
    ("address", "sees", "seen"),
    [
        ("198.51.100.7", False, "198.51.100.x Accept: x"),
        ("no.address", False, "None Accept: x"),
        ("198.51.100.7", True, f"198.51.100.7 {' '.join(HEADERS)}"),
    ],
)
def test_W8_it_sees_the_masked_address_unless_it_asks_for_the_whole(  # noqa: PLR0913, PLR0917 - fixtures too
    address: str,
    sees: bool,  # noqa: FBT001 - the case's
    seen: str,
    scripted: Scripted,
    tmp_path: Path,
    resolver: Resolver,
) -> None:
    scripted(SEEN)
    parameters = {"script": "1.py", "timeLimitMs": 2_000, "seesAddress": sees}
    name = "python_script_config"
    configure(tmp_path, "whiteout", name, "1-0-0", parameters, file="1.json")
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1})
    record = post({**MINIMAL, "ip": address}, headers=HEADERS)

    event = bench_of(tmp_path, resolver).event(record)

    assert event["page_title"] == seen
    assert event["user_ipaddress"] == ("198.51.100.x" if address[0].isdigit() else None)


def test_without_ip_anonymisation_it_sees_the_address(scripted: Scripted) -> None:
    """It stands in the event anyway."""
    event = scripted(SEEN).event(post({**MINIMAL, "ip": "198.51.100.7"}, headers=HEADERS))

    assert event["page_title"] == f"198.51.100.7 {' '.join(HEADERS)}"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("x = 1", "KeyError: 'enrich'"),
        ("enrich = 1", "'enrich' is not a function"),
        ("def enrich(:", "SyntaxError"),
        ("import no_such_module", "No module named"),
        (None, "put the file e.py into"),
    ],
)
def test_a_script_that_cannot_run_stops_the_start(
    script: str | None, problem: str, tmp_path: Path
) -> None:
    if script is not None:
        (tmp_path / "e.py").write_text(script)
    configure(tmp_path, "whiteout", "python_script_config", "1-0-0", {"script": "e.py"})

    with pytest.raises(ConfigurationError, match=rf"python_script_config\.json: .*{problem}"):
        read_folder(tmp_path)
