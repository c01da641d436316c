"""Failed events, after their schema was mended: each is in the lake once, whatever happens."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lake.conftest import NOW_MS, Kitchen

from whiteout.cli import WRONG_USE, run
from whiteout.enrich import Enricher
from whiteout.enrich.replay import ReplayedIds
from whiteout.identifiers import NULL_UUID
from whiteout.iglu import EmbeddedRegistry, FolderRegistry, Resolver
from whiteout.lake.erasure import Erasure, ErasureError, erase
from whiteout.lake.loader import Loader
from whiteout.lake.place import LakePlace
from whiteout.lake.recovery import Recovered, Recovery, RecoveryError, Selection, recover
from whiteout.lake.settings import LoaderSettings, Source
from whiteout.lake.subject import Subject
from whiteout.log import open_log
from whiteout.protocol.collector_payload import CollectorPayload, encode
from whiteout.protocol.self_describing import PAYLOAD_DATA, UNSTRUCT_EVENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from whiteout.enrich import EnrichedEvent

TP2 = "/com.snowplowanalytics.snowplow/tp2"
MAIL = "alice-7301@example.org"
ADDRESS = "192.0.2.77"
KINDS = ("order", "refund")


class Shop(Kitchen):
    """A kitchen with the real enrich, and a registry in a folder, where schemas are mended."""

    numbers = iter(range(1))

    @property
    def registry(self) -> Path:
        return self.directory / "iglu"

    def publish(self, kind: str, property_type: str) -> None:
        """Write the schema of a kind of event, whose property `total` is of that type."""
        file = self.registry / "schemas" / "com.acme" / kind / "jsonschema" / "1-0-0"
        file.parent.mkdir(parents=True, exist_ok=True)
        own = {"vendor": "com.acme", "name": kind, "format": "jsonschema", "version": "1-0-0"}
        properties = {"total": {"type": property_type}, "mail": {"type": "string"}}
        schema = {"self": own, "type": "object", "properties": properties}
        file.write_text(json.dumps(schema), "utf-8")

    def enricher(self, new_uuid: Callable[[], UUID]) -> tuple[Enricher, Resolver]:
        resolver = Resolver([EmbeddedRegistry(), FolderRegistry(self.registry)])
        return Enricher(resolver, now_ms=lambda: self.now_ms, new_uuid=new_uuid), resolver

    def load(self, *, faulty: bool = False) -> None:
        """Load what is in the log, as a process of its own would; `faulty` where enrich breaks."""
        enricher, resolver = self.enricher(lambda: UUID(int=next(self.numbers), version=4))
        loader = Loader(
            self.lake,
            raw=Source(log=self.raw, name="raw"),
            bad=Source(log=self.bad, name="bad"),
            enrich=_break if faulty else enricher.enrich_all,
            fault=enricher.fault,
            lookup=resolver.lookup,
            settings=LoaderSettings(durable=False),
            now_ms=lambda: self.now_ms,
        )
        try:
            self.load_all(loader)
        finally:
            loader.close()

    def post(self, *events: dict[str, str], **fields: Any) -> None:  # noqa: ANN401 - of several types
        body = json.dumps({"schema": PAYLOAD_DATA, "data": events})
        payload = {
            "ip_address": ADDRESS,
            "timestamp": NOW_MS,
            "collector": "c-1",
            "path": TP2,
            "body": body,
            "content_type": "application/json",
            "network_user_id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        }
        self.raw.append([encode(CollectorPayload(**{**payload, **fields}))])

    def recover(
        self,
        selection: Selection | None = None,
        *,
        dry_run: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Recovered:
        ids = ReplayedIds()
        enricher, resolver = self.enricher(ids)
        return recover(
            Recovery(
                place=LakePlace(str(self.lake)),
                directory=self.lake,
                selection=selection or Selection(),
                enrich=enricher.enrich,
                ids=ids,
                lookup=resolver.lookup,
                now_ms=lambda: self.now_ms,
                dry_run=dry_run,
                progress=progress,
            )
        )


def _break(records: Iterable[bytes]) -> list[list[EnrichedEvent]]:
    raise ZeroDivisionError


def event(event_id: str | None, kind: str = "order", **data: object) -> dict[str, str]:
    inner = {"schema": f"iglu:com.acme/{kind}/jsonschema/1-0-0", "data": {"total": 1, **data}}
    made = {
        "e": "ue",
        "p": "app",
        "tv": "t-1",
        "aid": kind,
        "ue_pr": json.dumps({"schema": UNSTRUCT_EVENT, "data": inner}),
    }
    return made if event_id is None else {**made, "eid": event_id}


def event_id(number: int) -> str:
    return str(UUID(int=number, version=4))


def make_shop(directory: Path) -> Shop:
    raw = open_log(directory / "log" / "raw", writer=True, durability="process")
    bad = open_log(directory / "log" / "bad", writer=True, durability="process")
    shop = Shop(directory, raw, bad)
    shop.numbers = iter(range(1_000, 2_000))
    for kind in KINDS:
        shop.publish(kind, "string")  # wrong: apps send numbers
    return shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = make_shop(tmp_path)
    yield made
    made.raw.close()
    made.bad.close()


def test_events_come_back_once_their_schema_is_mended(shop: Shop) -> None:
    """With all that was sent, at the time it was sent; a second run finds nothing to do."""
    shop.post(event(event_id(1)), event(event_id(2), total="one"), event(event_id(3), total=2.5))
    shop.load()
    assert len(shop.rows("failed_events")) == 2
    shop.publish("order", "number")

    first, second = shop.recover(), shop.recover()

    assert (first.rows, first.events, first.repeated) == (2, 2, 0)
    assert first.recovered == {"schema_violations": 2}
    assert (second.rows, second.events) == (0, 0)
    assert shop.event_ids() == [event_id(number) for number in (1, 2, 3)]
    assert shop.rows("failed_events") == []
    row = next(row for row in shop.rows() if row["event_id"] == event_id(1))
    assert (row["user_ipaddress"], row["v_tracker"], row["v_collector"]) == (
        ADDRESS,
        "t-1",
        "c-1",
    )
    assert int(row["collector_tstamp"].timestamp() * 1000) == NOW_MS


def test_what_fails_again_stays_as_it_is(shop: Shop) -> None:
    """Byte by byte: it can be recovered by a later run."""
    shop.post(event(event_id(1)), event(event_id(2), "refund"))
    shop.load()
    before = shop.rows("failed_events")
    shop.publish("order", "number")

    recovered = shop.recover()

    assert shop.rows("failed_events") == [row for row in before if row["app_id"] == "refund"]
    assert recovered.failing == {"schema_violations": 1}
    assert recovered.reasons == {
        "schema_violations iglu:com.acme/refund/jsonschema/1-0-0": 1,
    }


def test_a_row_of_several_events_goes_when_all_of_them_have_passed(shop: Shop) -> None:
    """Those that pass are added once, although they came without an id and are made anew."""
    shop.publish("order", "number")
    shop.post({**event(None), "aid": "another"})
    shop.post(event(None), event(None), event(None, "refund"))
    shop.load(faulty=True)

    first, second = shop.recover(), shop.recover()
    assert (first.events, second.events, second.repeated) == (3, 0, 2)
    assert first.failing == second.failing == {"generic_error": 1}
    shop.publish("refund", "number")
    shop.recover()

    assert len(shop.event_ids()) == 4
    assert shop.rows("failed_events") == []


def test_a_dry_run_tells_the_same_and_changes_nothing(shop: Shop) -> None:
    shop.post(event(event_id(1)), event(event_id(2), "refund"))
    shop.load()
    shop.publish("order", "number")
    before = shop.rows(), shop.rows("failed_events")

    dry = shop.recover(dry_run=True)

    assert (shop.rows(), shop.rows("failed_events")) == before
    assert dry == shop.recover()


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(types=("schema_violations",)), 4),
        (Selection(types=("adapter_failures",)), 0),
        (Selection(schemas=("iglu:com.acme/order/*",)), 2),
        (Selection(schemas=("iglu:com.acme/refund/jsonschema/1-0-0", "iglu:x/*")), 2),
        (Selection(app_ids=("order",)), 2),
        (Selection(since_us=NOW_MS * 1000 + 1), 2),
        (Selection(until_us=NOW_MS * 1000 + 1, app_ids=("refund",)), 1),
    ],
)
def test_only_what_is_selected_is_sent_again(shop: Shop, selection: Selection, chosen: int) -> None:
    for number, day in enumerate((0, 1)):
        shop.now_ms = NOW_MS + day * 86_400_000
        shop.post(event(event_id(2 * number)), event(event_id(2 * number + 1), "refund"))
        shop.load()
    for kind in KINDS:
        shop.publish(kind, "number")

    recovered = shop.recover(selection)

    assert (recovered.rows, recovered.events) == (chosen, chosen)
    assert len(shop.rows("failed_events")) == 4 - chosen


def test_an_event_that_was_sent_again_meanwhile_is_there_once(shop: Shop) -> None:
    """Before the recovery by the tracker, and after it: the loader's index knows it too."""
    shop.post(event(event_id(1)), event(event_id(2)))
    shop.load()
    shop.publish("order", "number")
    shop.post(event(event_id(1)))
    shop.load()

    recovered = shop.recover()
    shop.post(event(event_id(2)))
    shop.load()

    assert (recovered.events, recovered.repeated) == (1, 1)
    assert shop.event_ids() == [event_id(1), event_id(2)]


def test_an_anonymous_event_is_recovered_as_one(shop: Shop) -> None:
    """Nothing that the request held and the door or enrich took away is anywhere."""
    headers = ("SP-Anonymous: *", f"X-Forwarded-For: {ADDRESS}", "Cookie: sp=7")
    shop.post({**event(event_id(1)), "ip": ADDRESS, "tnuid": event_id(7)}, headers=headers)
    shop.load()
    shop.publish("order", "number")

    shop.recover()

    (row,) = shop.rows()
    assert ADDRESS not in str(row)
    assert (row["user_ipaddress"], row["network_userid"]) == (None, NULL_UUID)


def test_who_was_erased_does_not_come_back(shop: Shop) -> None:
    """Neither out of failed events, nor where they were recovered already."""
    for number in (1, 2):
        shop.post({**event(event_id(number)), "uid": MAIL}, event(event_id(number + 10)))
        shop.load()
        erasure = Erasure(
            subject=Subject((("user_id", MAIL),)),
            place=LakePlace(str(shop.lake)),
            data=shop.directory,
        )
        if number == 1:  # erased, then recovered
            erase(erasure)
        shop.publish("order", "number")
        shop.recover()
        if number == 2:  # recovered, then erased
            erase(erasure)
        shop.publish("order", "string")

    assert shop.event_ids() == [event_id(11), event_id(12)]
    parquet = [*shop.lake.rglob("*.parquet")]
    assert parquet
    assert not [path for path in parquet if MAIL.encode() in path.read_bytes()]


def test_neither_a_loader_nor_an_erasure_works_at_the_same_time(kitchen: Kitchen) -> None:
    """A loader's index would not know the events; an erasure might miss them on their way."""
    shop = Shop(kitchen.directory, kitchen.raw, kitchen.bad)
    shop.publish("order", "string")
    shop.post(event(event_id(1)))
    shop.load()
    shop.publish("order", "number")
    loader = kitchen.loader()
    with pytest.raises(RecoveryError, match="stop the pipeline"):
        shop.recover()
    assert shop.recover(dry_run=True).events == 1
    loader.close()

    def erase_meanwhile(_: str) -> None:
        subject = Subject((("user_id", MAIL),))
        place = LakePlace(str(shop.lake))
        with pytest.raises(ErasureError, match="recover"):
            erase(Erasure(subject=subject, place=place, data=shop.directory))
        with pytest.raises(RecoveryError, match="another recovery"):
            shop.recover()

    assert shop.recover(progress=erase_meanwhile).events == 1


class _Killed(BaseException):
    """As if the process ended there."""


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, 5), st.sampled_from(KINDS)),
        st.tuples(st.just("post without id"), st.integers(0, 2), st.sampled_from(KINDS)),
        st.tuples(st.just("mend"), st.just(0), st.sampled_from(KINDS)),
        st.tuples(st.just("break"), st.just(0), st.sampled_from(KINDS)),
        st.tuples(st.sampled_from(["load", "recover"]), st.just(0), st.just("")),
        st.tuples(st.just("recover, killed"), st.integers(0, 3), st.just("")),
    ),
    max_size=14,
)


@settings(max_examples=12, deadline=None)
@given(steps=_STEPS)
def test_nothing_is_lost_or_doubled_in_any_order(
    steps: list[tuple[str, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Sent again, loaded, mended, broken, recovered, killed between any two commits."""
    shop = make_shop(tmp_path_factory.mktemp("shop"))
    sent: set[str] = set()
    nameless = 0
    try:
        for step, number, kind in steps:
            if step == "post":
                sent.add(event_id(10 * number + KINDS.index(kind)))
                shop.post(event(event_id(10 * number + KINDS.index(kind)), kind))
            elif step == "post without id":
                nameless += number
                shop.post(*[event(None, kind)] * number) if number else None
            elif step in ("mend", "break"):
                shop.publish(kind, "number" if step == "mend" else "string")
            elif step == "load":
                shop.load()
            elif (shop.lake / "failed_events").is_dir():
                with suppress(_Killed):
                    shop.recover(progress=_kill_after(number if "killed" in step else None))
        for kind in KINDS:
            shop.publish(kind, "number")
        shop.load()
        shop.recover()
        ids = shop.event_ids() if sent or nameless else []
        assert len(ids) == len(set(ids)) == len(sent) + nameless
        assert sent <= set(ids)
        assert (not nameless and not sent) or shop.rows("failed_events") == []
    finally:
        shop.raw.close()
        shop.bad.close()


def _kill_after(steps: int | None) -> Callable[[str], None]:
    left = iter(range(steps)) if steps is not None else None

    def tell(_: str) -> None:
        if left is not None and next(left, None) is None:
            raise _Killed

    return tell


def test_the_command_tells_what_it_did(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.post(event(event_id(1)), event(event_id(2), "refund"))
    shop.load()
    shop.publish("order", "number")
    line = ["recover", "--data", str(shop.directory), "--no-iglu-central"]
    line += ["--iglu", str(shop.registry)]

    assert run([*line, "--dry-run", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["dry_run"], told["rows"], told["events"]) == (True, 2, 1)
    assert run([*line, "--schema", "iglu:com.acme/order/*", "--since", "2020-01-01"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "        1  failed events selected",
        "        1  pass and leave failed_events: schema_violations",
        "        1  events added to events",
    ]
    assert run([*line, "--since", "yesterday"]) == WRONG_USE
    assert "--since must look like 2026-11-23" in capsys.readouterr().err
    assert run(["recover", "--data", str(shop.directory / "none")]) == WRONG_USE
