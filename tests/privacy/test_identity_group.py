"""Trackers of a group share who the installation is, because the app asked for it (L33).

They share that one id and nothing else; not while anonymous; and once one of them has forgotten it,
nothing links what comes with what was.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.privacy.support import (
    ANONYMOUS,
    FULL,
    LEVELS,
    NONE,
    SERVER,
    SESSION,
    USER,
    found_on_disk,
    screen,
    session_of,
    text_of,
)
from tests.support.collector import Collector, Reply, entity
from tests.support.processes import Child
from tests.support.trackers import CONTEXT_FREE, Wire, events_of

import whiteout
from whiteout import (
    Anonymisation,
    ConfigurationError,
    DropReason,
    EmitterConfiguration,
    SessionConfiguration,
    Structured,
)
from whiteout.identifiers import NULL_UUID
from whiteout.tracker.identity_group import IdentityGroup, IdentityGroups, SharedIdentity
from whiteout.tracker.record_file import read_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import NetworkConfiguration, Tracker

UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GROUP = "house"
EVENT = Structured(category="a", action="b")


def create(
    namespace: str,
    network: str | NetworkConfiguration,
    folder: Path,
    *,
    level: Anonymisation | None = NONE,
    group: str | None = GROUP,
) -> Tracker:
    user = has_session = server = None
    if level is not None:
        user, has_session, server = USER in level, SESSION not in level, SERVER in level
    return whiteout.create_tracker(
        namespace,
        network,
        replace(CONTEXT_FREE, user_anonymisation=user, session_context=has_session),
        EmitterConfiguration(storage_dir=folder, server_anonymisation=server),
        SessionConfiguration(identity_group=group),
    )


@dataclass
class House:
    """A folder, a collector, and the trackers that are made there."""

    folder: Path
    collector: Collector
    names: set[str] = field(default_factory=set)

    def tracker(
        self,
        namespace: str,
        level: Anonymisation | None = None,
        *,
        group: str | None = GROUP,
        folder: str = "store",
    ) -> Tracker:
        """As `create`; None leaves the level as it was."""
        self.names.add(namespace)
        return create(namespace, self.collector.url, self.folder / folder, level=level, group=group)

    def sent(self, tracker: Tracker) -> list[dict[str, str]]:
        """Track an event, and give all that the tracker has ever sent."""
        tracker.track(EVENT)
        assert tracker.flush()
        return self.events(tracker.namespace)

    def user(self, tracker: Tracker) -> str:
        """Who the installation is to a tracker, as an event of it says."""
        return str(session_of(self.sent(tracker)[-1])["userId"])

    def events(self, namespace: str) -> list[dict[str, str]]:
        return [event for event in self.collector.events if event["tna"] == namespace]

    def ids(self, namespace: str) -> set[str]:
        """Every id in what a tracker has sent, cookies too."""
        found: set[str] = set()
        for request in self.collector.requests:
            if {event["tna"] for event in request.events} == {namespace}:
                found |= set(re.findall(f"{UUID.pattern}|cookie-[0-9]+", text_of(request).lower()))
        return found - {NULL_UUID}

    def files(self, pattern: str) -> list[str]:
        return sorted(path.name for path in (self.folder / "store").glob(pattern))


@pytest.fixture
def house(tmp_path: Path, collector: Collector) -> Iterator[House]:
    house = House(tmp_path, collector)
    yield house
    for namespace in house.names:
        whiteout.remove_tracker(namespace, timeout=0.0)


def set_cookies(collector: Collector) -> None:
    """Let each of the next answers set another cookie."""
    for number in range(20):
        cookie = f"sp=cookie-{number}; Path=/; Max-Age=9999"
        collector.reply(Reply(headers=(("Set-Cookie", cookie),)))


# --- what is shared --------------------------------------------------------------------------


def test_L33_trackers_of_a_group_share_the_installations_id_and_no_other(
    house: House, collector: Collector
) -> None:
    set_cookies(collector)
    shop, support = house.tracker("shop", NONE), house.tracker("support", NONE)

    users = {house.user(tracker) for tracker in (shop, support, shop, support)}

    assert len(users) == 1
    assert house.ids("shop") & house.ids("support") == users
    assert any(value.startswith("cookie-") for value in house.ids("shop"))
    assert all(len({e["tna"] for e in request.events}) == 1 for request in collector.requests)


def test_L33_the_sessions_of_a_group_stay_apart(house: House) -> None:
    shop, support = house.tracker("shop", NONE), house.tracker("support", NONE)
    for tracker in (shop, shop, support):
        house.sent(tracker)

    (first,), several = (
        {session_of(event)["sessionId"] for event in house.events("support")},
        [session_of(event) for event in house.events("shop")],
    )
    assert [session["eventIndex"] for session in several] == [1, 2]
    assert first not in {session["sessionId"] for session in several}


@pytest.mark.parametrize(
    "other", [{"group": None}, {"group": "House"}, {"folder": "elsewhere"}], ids=str
)
def test_L33_who_names_no_group_or_another_or_lives_elsewhere_has_an_id_of_its_own(
    house: House, other: dict[str, Any]
) -> None:
    shop, apart = house.tracker("shop", NONE), house.tracker("apart", NONE, **other)

    assert house.user(shop) != house.user(apart)
    assert not house.ids("shop") & house.ids("apart")


def test_L33_the_id_is_kept_over_restarts(house: House) -> None:
    """Also by a tracker that starts alone, and by one that is new to the group."""
    before = house.user(house.tracker("shop", NONE))
    house.tracker("support", NONE)
    for name in ("shop", "support"):
        whiteout.remove_tracker(name)

    assert house.user(house.tracker("support")) == before
    assert house.user(house.tracker("third", NONE)) == before
    session = session_of(house.sent(house.tracker("shop"))[-1])
    assert (session["userId"], session["sessionIndex"]) == (before, 2)


def test_L33_without_a_folder_that_can_be_written_the_trackers_of_a_process_share_it(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("no folder")

    users = {house.user(house.tracker(name, NONE)) for name in ("shop", "support")}

    assert len(users) == 1
    assert house.tracker("shop").forget()
    renewed = {
        house.user(tracker)
        for tracker in (whiteout.get_tracker("shop"), whiteout.get_tracker("support"))
        if tracker is not None
    }
    assert len(renewed) == 1
    assert not renewed & users


@pytest.mark.parametrize("wrong", ["", "x" * 129, 7])
def test_a_group_has_a_name(wrong: Any) -> None:  # noqa: ANN401 - of any type
    with pytest.raises(ConfigurationError, match="identity_group must be"):
        SessionConfiguration(identity_group=wrong)


# --- other processes -------------------------------------------------------------------------


def test_L33_processes_share_the_id(house: House, collector: Collector) -> None:
    folder = str(house.folder / "store")
    with (
        Child("track_in_group", folder=folder, endpoint=collector.url, namespace="one") as one,
        Child("track_in_group", folder=folder, endpoint=collector.url, namespace="two") as two,
    ):
        for child in (one, two):
            child.tell("end")
            child.join()

    users = {session_of(event)["userId"] for event in collector.events}
    assert {event["tna"] for event in collector.events} == {"one", "two"}
    assert users == {house.user(house.tracker("three", NONE))}


def test_L33_many_that_join_at_once_agree(tmp_path: Path) -> None:
    """As processes do: each with a lock of its own."""
    everybody = threading.Barrier(8)
    found: list[SharedIdentity] = []

    def join() -> None:
        group = IdentityGroups().group(tmp_path, GROUP)
        assert group is not None
        everybody.wait(10)
        found.append(group.identity(lambda: str(uuid.uuid4())))

    for _ in range(10):
        threads = [threading.Thread(target=join) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(found) == 8
        assert len({identity.installation_id for identity in found}) == 1
        found.clear()
        assert IdentityGroup(tmp_path, GROUP, threading.RLock()).forget()


def test_L33_what_another_process_has_forgotten_is_not_stored_again(
    house: House, collector: Collector
) -> None:
    """It goes on as it was until it starts again; then it is the new one, and knows of no old."""
    store = house.folder / "store"
    with Child("track_in_group", folder=str(store), endpoint=collector.url, namespace="one") as one:
        one.wait_for_line("tracked")
        old = house.user(house.tracker("two", NONE))
        assert house.tracker("two").forget()
        new = house.user(house.tracker("two"))
        one.tell("again")
        one.tell("end")
        one.join()

    sessions = [session_of(event) for event in house.events("one")]
    assert {session["userId"] for session in sessions} == {old}
    assert not found_on_disk(store, [old, sessions[-1]["sessionId"]])
    house.tracker("one")
    assert not found_on_disk(store, [sessions[0]["sessionId"]])
    session = session_of(house.sent(house.tracker("one"))[-1])
    assert (session["userId"], session["sessionIndex"]) == (new, 1)
    assert session["previousSessionId"] is None


def test_L33_the_journal_of_a_killed_process_brings_no_forgotten_session_back(
    house: House, collector: Collector
) -> None:
    with Child(
        "track_in_group",
        folder=str(house.folder / "store"),
        endpoint=collector.url,
        namespace="one",
    ) as one:
        one.wait_for_line("tracked")
        assert house.tracker("two", NONE).forget()
        new = session_of(house.sent(house.tracker("one"))[-1])
        whiteout.remove_tracker("one")
        one.tell("again")
        one.wait_for_lines("tracked", 2)
        one.kill()

    session = session_of(house.sent(house.tracker("one"))[-1])
    assert session["userId"] == new["userId"]
    assert (session["sessionIndex"], session["previousSessionId"]) == (2, new["sessionId"])


def test_L33_the_journal_of_a_killed_process_does_not_take_the_id_out_of_its_group(
    house: House, collector: Collector
) -> None:
    with Child(
        "track_in_group",
        folder=str(house.folder / "store"),
        endpoint=collector.url,
        namespace="one",
    ) as one:
        one.wait_for_line("tracked")
        one.kill()

    assert house.user(house.tracker("one", group=None)) != house.user(house.tracker("two", NONE))


def test_L33_a_session_of_a_killed_process_is_not_counted_again_after_an_anonymous_start(
    house: House, collector: Collector
) -> None:
    """Though the anonymous start asks nobody whose session it was: the stored one vouches."""
    with Child(
        "track_in_group",
        folder=str(house.folder / "store"),
        endpoint=collector.url,
        namespace="one",
    ) as one:
        one.wait_for_line("tracked")
        record = house.folder / "store" / "one.identity.json"
        assert collector.wait_for(lambda: bool(read_record(record).get("session")))
        one.tell("again")
        one.wait_for_lines("tracked", 2)
        one.kill()
    last = session_of(house.events("one")[-1])

    house.sent(house.tracker("one", FULL))
    whiteout.remove_tracker("one")

    session = session_of(house.sent(house.tracker("one", NONE))[-1])
    assert (session["sessionIndex"], session["previousSessionId"]) == (3, last["sessionId"])


# --- anonymity -------------------------------------------------------------------------------

_opened: list[str] | None = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], str):
        _opened.append(arguments[0])


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """The paths of files that this process opens meanwhile."""
    global _opened  # noqa: PLW0603 - an audit hook stays for as long as the process
    if not getattr(_note, "is_added", False):
        sys.addaudithook(_note)
        setattr(_note, "is_added", True)  # noqa: B010 - a function has no such attribute
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


@pytest.mark.parametrize("level", ANONYMOUS, ids=str)
def test_L33_an_anonymous_tracker_neither_makes_nor_reads_the_id_of_its_group(
    house: House, level: Anonymisation
) -> None:
    with opened_files() as opened:
        shop = house.tracker("shop", level)
        house.sent(shop)
        assert shop.session is None or shop.session.user_id in {None, NULL_UUID}
        whiteout.remove_tracker("shop")
        house.sent(house.tracker("shop"))

    assert any(path.endswith(".sqlite") or "journal" in path for path in opened)
    assert not [path for path in opened if ".group." in path]
    assert house.files("*.group.*") == []


@pytest.mark.parametrize("level", ANONYMOUS, ids=str)
def test_L33_an_anonymous_tracker_does_not_tell_the_id_that_others_of_its_group_have(
    house: House, level: Anonymisation
) -> None:
    user = house.user(house.tracker("support", NONE))
    whiteout.remove_tracker("support")  # it may look into the file
    with opened_files() as opened:
        shop = house.tracker("shop", level)
        house.sent(shop)

    assert not [path for path in opened if ".group." in path]
    assert user not in house.ids("shop")
    assert not house.ids("shop") & house.ids("support")
    assert shop.decorate_link("https://x.example/") in {None, "https://x.example/"}


def test_L33_back_from_anonymity_a_tracker_has_the_groups_id_again(house: House) -> None:
    shop, support = house.tracker("shop", NONE), house.tracker("support", NONE)
    user = house.user(support)
    house.sent(shop)
    for level in (FULL, NONE):
        shop.anonymisation = level
        house.sent(shop)

    last = session_of(house.events("shop")[-1])
    assert (last["userId"], last["sessionIndex"]) == (user, 2)


# --- forgetting ------------------------------------------------------------------------------


def test_L33_what_one_tracker_forgets_is_forgotten_for_its_group(
    house: House, collector: Collector
) -> None:
    set_cookies(collector)
    trackers = [house.tracker(name, NONE) for name in ("shop", "support", "third")]
    for tracker in trackers:
        house.sent(tracker)
    before = {name: house.ids(name) for name in house.names}
    connections = {request.connection for request in collector.requests}
    requests = len(collector.requests)

    assert trackers[0].forget()

    old = set().union(*before.values())
    assert not found_on_disk(house.folder / "store", old)
    users = {house.user(tracker) for tracker in trackers}
    assert len(users) == 1
    for name in house.names:
        last = session_of(house.events(name)[-1])
        assert (last["sessionIndex"], last["previousSessionId"]) == (1, None)
    for request in collector.requests[requests:]:
        assert not old & set(re.findall(f"{UUID.pattern}|cookie-[0-9]+", text_of(request).lower()))
        assert request.connection not in connections


def test_L33_waiting_events_that_name_the_forgotten_id_are_erased_and_others_are_not(
    tmp_path: Path,
) -> None:
    wire = Wire(status=None)
    with ExitStack() as stack:
        for name in ("shop", "support"):
            stack.callback(whiteout.remove_tracker, name, timeout=0.0)
        shop, support = (create(name, wire.network, tmp_path) for name in ("shop", "support"))
        for tracker in (shop, support):
            tracker.track(EVENT)
        support.anonymisation = USER
        kept = support.track(EVENT)

        assert shop.forget()

        assert support.drops[DropReason.FORGOTTEN] == 1
        assert DropReason.WITHDRAWN not in support.drops
        wire.status = 200
        support.emitter.resume()
        assert support.flush()
        assert [event["eid"] for event in wire.events] == [kept]


def ids_of_one_that_waits(house: House, collector: Collector) -> set[str]:
    """Every id of a tracker of the group that ended with an event to send."""
    set_cookies(collector)
    support = house.tracker("support", NONE)
    house.sent(support)
    ids = house.ids("support")
    collector.default = Reply(status=503)
    support.track(EVENT)
    whiteout.remove_tracker("support", timeout=0.0)
    collector.default = Reply()
    return ids


def test_L33_forgetting_reaches_trackers_that_are_not_running_at_their_next_start(
    house: House, collector: Collector
) -> None:
    """Their session, their cookies and what waits of them."""
    old = ids_of_one_that_waits(house, collector)
    shop = house.tracker("shop", NONE)
    assert shop.forget()

    support = house.tracker("support")

    assert not found_on_disk(house.folder / "store", old)
    assert support.drops == {DropReason.FORGOTTEN: 1}
    assert house.user(support) == house.user(shop)
    assert not old & {*UUID.findall(text_of(collector.requests[-1]))}


@pytest.mark.parametrize(("level", "group"), [(FULL, GROUP), (FULL, None), (NONE, None)], ids=str)
def test_L33_forgetting_reaches_what_waits_at_the_next_start_also_if_that_is_anonymous_or_outside(
    house: House, collector: Collector, level: Anonymisation, group: str | None
) -> None:
    old = ids_of_one_that_waits(house, collector)
    assert house.tracker("shop", NONE).forget()
    before = len(collector.requests)

    support = house.tracker("support", level, group=group)

    assert support.drops == {DropReason.FORGOTTEN: 1}
    assert not found_on_disk(house.folder / "store", old)
    house.sent(support)
    since = "".join(text_of(request) for request in collector.requests[before:])
    assert not old & {*UUID.findall(since)}


def test_L33_forgetting_reaches_a_tracker_that_starts_anonymous_when_it_is_known_again(
    house: House, collector: Collector
) -> None:
    support = house.tracker("support", NONE)
    house.sent(support)
    old = house.ids("support")
    whiteout.remove_tracker("support")
    shop = house.tracker("shop", NONE)
    assert shop.forget()

    support = house.tracker("support", FULL)
    house.sent(support)
    support.anonymisation = NONE

    session = session_of(house.sent(support)[-1])
    assert session["userId"] == house.user(shop)
    assert (session["sessionIndex"], session["previousSessionId"]) == (1, None)
    assert not old & {*UUID.findall(text_of(collector.requests[-1]))}


def test_L33_an_anonymous_tracker_forgets_for_its_group_and_stays_anonymous(house: House) -> None:
    shop, support = house.tracker("shop", NONE), house.tracker("support", FULL)
    before = house.user(shop)

    assert support.forget()

    assert support.anonymisation is FULL
    assert house.user(shop) != before
    assert entity(house.sent(support)[-1], "client_session") is None
    assert not found_on_disk(house.folder / "store", [before])


def test_L33_a_closed_tracker_forgets_for_its_group(house: House) -> None:
    shop, support = house.tracker("shop", NONE), house.tracker("support", NONE)
    before = house.user(shop)
    assert house.user(support) == before
    support.close()

    assert support.forget()

    assert house.user(shop) != before
    assert not found_on_disk(house.folder / "store", [before])


def test_L33_a_tracker_outside_of_the_group_is_left_alone(house: House) -> None:
    shop, apart = house.tracker("shop", NONE), house.tracker("apart", NONE, group=None)
    before = house.user(apart)

    assert shop.forget()

    assert house.user(apart) == before


def test_L33_trackers_of_a_group_forget_and_switch_at_once_and_end_as_one(tmp_path: Path) -> None:
    """From several threads: nothing hangs, and all are the same installation afterwards."""
    wire = Wire()
    names = ("one", "two", "three")
    trackers = [create(name, wire.network, tmp_path) for name in names]

    def forget(tracker: Tracker) -> None:
        for _ in range(5):
            assert tracker.forget()
            for level in (USER, NONE):
                tracker.anonymisation = level
                tracker.track(EVENT)

    threads = [threading.Thread(target=forget, args=[each], daemon=True) for each in trackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    for tracker in trackers:
        tracker.anonymisation = NONE
        assert tracker.flush()
    wire.events.clear()
    for tracker in trackers:
        tracker.track(EVENT)
        assert tracker.flush()

    assert len(wire.events) == 3
    assert len({session_of(event)["userId"] for event in wire.events}) == 1
    for name in names:
        whiteout.remove_tracker(name, timeout=0.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_L33_a_fork_in_the_middle_of_forgetting_hangs_neither_process(
    house: House, collector: Collector
) -> None:
    with Child(
        "fork_while_a_group_forgets", folder=str(house.folder), endpoint=collector.url
    ) as child:
        child.join()

    assert child.lines[-1] == f"statuses {[0] * 5}"


# --- joining and leaving ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [(None, GROUP), (GROUP, None), (GROUP, "other")], ids=str
)
def test_L33_a_tracker_that_joins_or_leaves_a_group_is_another_installation(
    tmp_path: Path, first: str | None, second: str | None
) -> None:
    """What it had tracked before is sent, in requests of its own."""
    wire = Wire(status=None)
    with ExitStack() as stack:
        stack.callback(whiteout.remove_tracker, "shop", timeout=0.0)
        shop = create("shop", wire.network, tmp_path, group=first)
        for _ in range(2):
            shop.track(EVENT)
        whiteout.remove_tracker("shop", timeout=0.0)
        wire.requests.clear()
        wire.status = 200

        shop = create("shop", wire.network, tmp_path, group=second, level=None)
        shop.track(EVENT)
        assert shop.flush()

    sessions = [[session_of(event) for event in events_of(r)] for r in wire.requests]
    users = [{session["userId"] for session in request} for request in sessions]
    assert sum(map(len, sessions)) == 3
    assert all(len(request) == 1 for request in users)
    assert len(set().union(*users)) == 2
    last = next(
        s for request in sessions for s in request if s["userId"] != sessions[0][0]["userId"]
    )
    assert (last["sessionIndex"], last["previousSessionId"]) == (1, None)


def test_L33_a_tracker_made_again_without_naming_its_group_shares_nothing(house: House) -> None:
    shop, support = house.tracker("shop", NONE), house.tracker("support", NONE)
    assert house.user(shop) == house.user(support)

    again = house.tracker("shop", group=None)

    assert house.user(again) != house.user(support)


def test_L33_the_trackers_own_files_do_not_hold_the_id(house: House) -> None:
    user = house.user(house.tracker("shop", NONE))
    whiteout.remove_tracker("shop")

    stored = json.loads((house.folder / "store" / "shop.identity.json").read_text("utf-8"))
    assert (stored["group"], stored["session"]["session_index"]) == (GROUP, 1)
    assert set(found_on_disk(house.folder / "store", [user])) == {f"{GROUP}.group.json"}


def test_L33_a_group_file_that_cannot_be_understood_is_nobody(house: House) -> None:
    before = house.user(house.tracker("shop", NONE))
    whiteout.remove_tracker("shop")
    (house.folder / "store" / f"{GROUP}.group.json").write_text('{"installation_id": "me"}')

    session = session_of(house.sent(house.tracker("shop"))[-1])

    assert session["userId"] not in {before, "me"}
    assert session["previousSessionId"] is None


# --- whatever is done, in whatever order -------------------------------------------------------

NAMES = ("one", "two", "three")


class Group(RuleBasedStateMachine):
    """Three trackers of a group: each id that was ever sent is of one time between two forgets."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire()
        self.stack = ExitStack()
        self.epoch = 0
        self.epochs: dict[str, int] = {}  # value to the epoch in which it was made
        self.users: dict[int, str] = {}
        self.requests = 0

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        import tempfile  # noqa: PLC0415 - `tmp_path` is of a whole test
        from pathlib import Path  # noqa: PLC0415 - as above

        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        for name in NAMES:
            self.make(name, data.draw(st.sampled_from(LEVELS)))

    def make(self, name: str, level: Anonymisation | None) -> None:
        create(name, self.wire.network, self.folder, level=level)

    def tracker(self, name: str) -> Tracker:
        tracker = whiteout.get_tracker(name)
        assert tracker is not None
        return tracker

    @rule(name=st.sampled_from(NAMES), events=st.integers(1, 3))
    def track(self, name: str, events: int) -> None:
        for _ in range(events):
            assert self.tracker(name).track(screen()) is not None

    @rule(name=st.sampled_from(NAMES), level=st.sampled_from([NONE, USER, SESSION, SERVER, FULL]))
    def switch(self, name: str, level: Anonymisation) -> None:
        self.tracker(name).anonymisation = level

    @rule(name=st.sampled_from(NAMES))
    def start_again(self, name: str) -> None:
        whiteout.remove_tracker(name, timeout=5.0)
        self.look()
        self.make(name, None)

    @rule(name=st.sampled_from(NAMES))
    def forget(self, name: str) -> None:
        for each in NAMES:
            assert self.tracker(each).flush()
        self.look()
        assert self.tracker(name).forget()
        self.epoch += 1

    @rule()
    def look(self) -> None:
        """No request tells of two epochs, and identified ones of one user."""
        for each in NAMES:
            tracker = whiteout.get_tracker(each)
            assert tracker is None or tracker.flush()
        for request in self.wire.requests[self.requests :]:
            for event in events_of(request):
                self.check(event)
        self.requests = len(self.wire.requests)

    def check(self, event: dict[str, str]) -> None:
        session = entity(event, "client_session")
        if session is None:
            return
        user = session["userId"]
        values = {session["sessionId"], session["previousSessionId"], user} - {None, NULL_UUID}
        for value in values:
            assert self.epochs.setdefault(value, self.epoch) == self.epoch
        if user != NULL_UUID:
            assert self.users.setdefault(self.epoch, user) == user

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.look()
        for name in NAMES:
            whiteout.remove_tracker(name, timeout=0.0)
        self.stack.close()


TestGroup = Group.TestCase
TestGroup.settings = settings(
    max_examples=15,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
