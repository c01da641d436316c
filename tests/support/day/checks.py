"""What is promised of the events that a collector has taken."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.privacy.support import SERVER, SUBJECT, USER, found_in, sent_text
from tests.support.collector import entities, entity, unstructured
from tests.support.day.world import marker_of

from whiteout.identifiers import NULL_UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.day.model import Known

    from whiteout import Anonymisation, OutgoingRequest

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
OF_THE_APP = re.compile(r"c0ffee00-")  # device ids that the app supplies, as canaries
VISITOR = "canary-visitor"


@dataclass(frozen=True)
class Accepted:
    """An event that the collector has taken, and what was known of it when its request left."""

    key: str
    known: Known
    event: dict[str, str]


def check_request(
    request: OutgoingRequest, events: Sequence[dict[str, str]], known: Sequence[Known]
) -> None:
    """One level and one line a request; what the level hides is hidden."""
    (level,) = {one.level for one in known}
    assert len({one.side for one in known}) == 1, "events of two lines share a request"
    assert (request.headers.get("SP-Anonymous") == "*") is (SERVER in level)
    assert request.is_anonymous is bool(level)
    if USER in level:
        assert not found_in(sent_text(request), [*SUBJECT.values(), VISITOR])
    for one, event in zip(known, events, strict=True):
        assert one.marker is None or marker_of(event) in {one.marker, None}
        _check_session(event, one, level)


def _check_session(event: dict[str, str], known: Known, level: Anonymisation) -> None:
    session, place = entity(event, "client_session"), known.place
    assert (session is None) is (place is None), "a session where there is none, or none"
    if session is None or place is None:
        return
    assert session["sessionIndex"] == place.session
    assert place.event in {None, session["eventIndex"]}
    if place.first is not None and "firstEventId" in session:
        assert session["firstEventId"] == place.first
    if USER in level:
        assert session["userId"] == NULL_UUID
        assert session["previousSessionId"] is None


def check_order(accepted: Iterable[Accepted], failed: set[str]) -> None:
    """Events come in the order of tracking, but for those that have failed meanwhile."""
    newest = 0
    for sent in accepted:
        if sent.known.number < newest:
            assert sent.key in failed, "out of order, and no failure explains it"
        newest = max(newest, sent.known.number)


def check_sessions(accepted: Iterable[Accepted]) -> None:
    """A session has one id, names the one before it on its line, and has each index once."""
    ids: dict[tuple[str, int], str] = {}
    users: dict[str | None, str] = {None: NULL_UUID}
    places: dict[tuple[str, int], str] = {}
    for sent in accepted:
        place, data = sent.known.place, entity(sent.event, "client_session")
        if place is None or data is None:
            continue
        session_id, before = data["sessionId"], data["previousSessionId"]
        assert ids.setdefault((place.chain, place.session), session_id) == session_id
        assert places.setdefault((session_id, data["eventIndex"]), sent.key) == sent.key
        assert users.setdefault(place.user, data["userId"]) == data["userId"]
        if data["userId"] == NULL_UUID:
            continue
        assert (before is None) is (place.session == 1)
        if before is not None:
            assert ids.setdefault((place.chain, place.session - 1), before) == before
    assert len(set(ids.values())) == len(ids), "two sessions have one id"
    assert len(set(users.values())) == len(users), "two installations have one id"


def check_bridges(accepted: Iterable[Accepted]) -> None:
    """Nothing joins two sides but what trackers share on request, and that only those who do."""
    sent = list(accepted)
    _check_joined([(_generated(one.event), one.known.owner) for one in sent])
    _check_joined([(_generated(one.event) - _users(one.event), one.known.side) for one in sent])


def _check_joined(events: Sequence[tuple[set[str], str]]) -> None:
    """Values join events to groups, the tracker's own too; no group has two sides."""
    parents: dict[str, str] = {}

    def root(node: str) -> str:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]
        return node

    for number, (values, _side) in enumerate(events):
        for value in values:
            parents[root(value)] = root(f"event {number}")
    sides: dict[str, set[str]] = defaultdict(set)
    for number, (_values, side) in enumerate(events):
        sides[root(f"event {number}")].add(side)
    assert [group for group in sides.values() if len(group) > 1] == []


def _users(event: dict[str, str]) -> set[str]:
    session = entity(event, "client_session")
    return set() if session is None else {session["userId"]}


def _generated(event: dict[str, str]) -> set[str]:
    """What the tracker made up for an event: ids and times, wherever they stand."""
    body = unstructured(event) if event["e"] == "ue" else None
    plain = {name: text for name, text in event.items() if name not in {"cx", "ue_px", "stm"}}
    text = json.dumps([plain, entities(event), body])
    ids = {value for value in UUID.findall(text) if not OF_THE_APP.match(value)}
    instants = {value for value in INSTANT.findall(text) if not value.endswith(".000Z")}
    times = {event["dtm"]} if int(event["dtm"]) % 1000 else set()
    return (ids | instants | times) - {NULL_UUID}
