"""Consent: level, record and event change together, and no crash leaves less privacy than said."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.clock import FIRST_EVENT_MS, ManualClock
from tests.support.trackers import Wire, a_tracker

from whiteout.errors import ConfigurationError
from whiteout.events.consent import ConsentDocument, ConsentGranted, ConsentWithdrawn
from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import Pending
from whiteout.tracker.consent import Consent
from whiteout.tracker.consent_record import ConsentFile, ConsentRecord, ConsentState

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.events.event import Event

NONE, USER, FULL = Anonymisation.NONE, Anonymisation.USER, Anonymisation.FULL
RECEIPT = ConsentDocument(document_id="canary-receipt-of-alice", document_version="3")
POLICY = ConsentDocument(document_id="policy", document_version="1.2", document_name="Privacy")
DAY_MS = 86_400_000
STORED = {
    "state": "given",
    "level": 0,
    "decided_at_ms": 1,
    "expires_at_ms": None,
    "documents": [],
    "pending": "keep",
}


@dataclass
class FakeTracker:
    """Has a level, and remembers what was asked of it, in order."""

    anonymisation: Anonymisation = NONE
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    before: Callable[[str], None] = lambda _step: None
    is_closed: bool = False

    def prepare_switch(self, level: Anonymisation) -> None:
        """No app is asked here."""

    def switch_level(self, level: Anonymisation, pending: Pending, ended: object) -> None:
        assert ended is None
        self.before("switch")
        self.calls.append(("switch", level, pending))
        if not self.is_closed:
            self.anonymisation = level
        self.before("switched")

    def track(self, event: Event) -> str | None:
        return self.track_alone(event, NONE)

    def track_alone(self, event: Event, anonymisation: Anonymisation) -> str | None:
        self.before("track")
        self.calls.append(("track", event, self.anonymisation | anonymisation))
        return None


@dataclass
class Scene:
    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    before_consent: Anonymisation | None = None
    tracker: FakeTracker = field(default_factory=FakeTracker)
    warnings: list[str] = field(default_factory=list)

    def consent(self) -> Consent:
        return Consent(
            self.tracker,
            ConsentFile(self.folder, "app"),
            now_ms=self.clock.now_ms,
            before_consent=self.before_consent,
            warn=lambda kind, _text: self.warnings.append(kind),
        )

    def stored(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "app.consent.json").read_text())
        return read


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_before_any_answer_the_state_is_unknown(scene: Scene) -> None:
    consent = scene.consent()

    assert consent.state is ConsentState.UNKNOWN
    assert consent.decided_at is None
    assert consent.documents == ()
    assert consent.floor == NONE
    assert not list(scene.folder.iterdir())


def test_the_level_before_any_answer_is_the_apps(scene: Scene) -> None:
    scene.before_consent = FULL

    assert scene.consent().floor == FULL


def test_giving_switches_first_and_tracks_the_event_under_the_new_level(scene: Scene) -> None:
    """Consent is to be shown for somebody, and lets the app know who that is."""
    scene.tracker.anonymisation = FULL
    consent = scene.consent()

    consent.give(documents=[POLICY])

    assert scene.tracker.calls == [
        ("switch", NONE, Pending.KEEP),
        ("track", ConsentGranted(documents=[POLICY]), NONE),
    ]
    assert consent.state is ConsentState.GIVEN
    assert consent.documents == (("policy", "1.2"),)
    assert consent.decided_at == dt.datetime(2022, 6, 6, 6, 21, 21, 346_000, tzinfo=dt.UTC)


def test_withdrawing_records_first_and_tracks_the_event_with_everything_hidden(
    scene: Scene,
) -> None:
    """An identified event would be what the user has just forbidden."""
    consent = scene.consent()
    stored: list[str] = []
    scene.tracker.before = lambda step: stored.append(f"{step} {scene.stored()['pending']}")

    consent.withdraw(USER, pending="drop", documents=[POLICY], all=False)

    assert stored == ["switch drop", "switched drop", "track keep"]
    assert scene.tracker.calls == [
        ("switch", USER, Pending.DROP),
        ("track", ConsentWithdrawn(all=False, documents=[POLICY]), FULL),
    ]
    assert consent.state is ConsentState.WITHDRAWN


def test_what_waits_is_anonymised_unless_the_app_says_otherwise(scene: Scene) -> None:
    scene.consent().withdraw()

    assert scene.tracker.calls[0] == ("switch", FULL, Pending.ANONYMISE)


def test_a_withdrawal_never_makes_a_tracker_less_anonymous(scene: Scene) -> None:
    scene.tracker.anonymisation = Anonymisation.SERVER
    consent = scene.consent()

    consent.withdraw(USER)

    assert scene.tracker.anonymisation == USER | Anonymisation.SERVER
    assert consent.floor == USER | Anonymisation.SERVER


def test_a_withdrawal_says_nothing_of_what_was_given(scene: Scene) -> None:
    """A document may have been made for one user: its id would join both sides of the line."""
    consent = scene.consent()
    consent.give(documents=[RECEIPT])

    consent.withdraw()

    withdrawn = scene.tracker.calls[-1][1]
    assert withdrawn == ConsentWithdrawn(all=True)
    assert withdrawn.entities == ()


def test_nothing_of_the_user_is_on_the_disk_while_the_user_is_hidden(scene: Scene) -> None:
    consent = scene.consent()
    consent.give(documents=[RECEIPT])
    assert "canary" in (scene.folder / "app.consent.json").read_text()

    consent.withdraw()

    assert scene.stored() == {
        "state": "withdrawn",
        "level": 7,
        "decided_at_ms": 1_654_495_200_000,  # six o'clock
        "expires_at_ms": None,
        "documents": [],
        "pending": "keep",
    }
    assert [path.name for path in scene.folder.iterdir()] == ["app.consent.json"]


def test_consent_that_leaves_the_user_hidden_is_stored_without_its_documents(scene: Scene) -> None:
    scene.consent().give(USER, documents=[RECEIPT])

    assert scene.stored()["documents"] == []


def test_the_answer_survives_a_restart(scene: Scene) -> None:
    scene.consent().give(Anonymisation.SERVER, documents=[POLICY])

    again = scene.consent()

    assert again.state is ConsentState.GIVEN
    assert again.floor == Anonymisation.SERVER
    assert again.documents == (("policy", "1.2"),)


def test_what_a_killed_withdrawal_owes_is_done_at_the_next_start(scene: Scene) -> None:
    class KilledError(BaseException):
        pass

    def kill(step: str) -> None:
        if step == "switch":
            raise KilledError

    scene.tracker.before = kill
    with pytest.raises(KilledError):
        scene.consent().withdraw(pending=Pending.DROP)
    scene.tracker = FakeTracker()

    again = scene.consent()
    again.take_up()
    again.take_up()

    assert again.state is ConsentState.WITHDRAWN
    assert scene.tracker.calls == [("switch", FULL, Pending.DROP)]
    assert scene.stored()["pending"] == "keep"


def test_consent_that_is_given_again_still_settles_what_was_owed(scene: Scene) -> None:
    """The waiting events are those of before: they were withdrawn."""
    owed = ConsentRecord(state=ConsentState.WITHDRAWN, level=FULL, pending=Pending.DROP)
    ConsentFile(scene.folder, "app").save(owed)

    scene.consent().give()

    assert [call[:3] for call in scene.tracker.calls[:2]] == [
        ("switch", FULL, Pending.DROP),
        ("switch", NONE, Pending.KEEP),
    ]


@pytest.mark.parametrize(("before_consent", "expected"), [(None, FULL), (USER, USER)])
def test_consent_ends_when_it_expires(
    scene: Scene, before_consent: Anonymisation | None, expected: Anonymisation
) -> None:
    scene.before_consent = before_consent
    expiry = dt.datetime.fromtimestamp((FIRST_EVENT_MS + DAY_MS) / 1000, dt.UTC)
    consent = scene.consent()
    consent.give(expiry=expiry)
    scene.clock.advance(DAY_MS / 1000 - 1)
    consent.take_up()
    assert (consent.state, scene.tracker.anonymisation) == (ConsentState.GIVEN, NONE)

    scene.clock.advance(1)

    assert consent.state is ConsentState.UNKNOWN
    assert consent.floor == expected
    assert scene.consent().floor == expected  # after a restart, even before `take_up`
    consent.take_up()
    assert scene.tracker.anonymisation == expected
    scene.clock.set_back(2 * DAY_MS / 1000)
    assert scene.consent().floor == expected  # an expired answer does not come back


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 7}, "level must be an Anonymisation"),
        ({"documents": POLICY}, "documents must be a list or tuple of ConsentDocument"),
        ({"documents": [POLICY] * 101}, "documents must be at most 100, got 101"),
        ({"expiry": dt.datetime(2030, 1, 1)}, "expiry must be a datetime with a time zone"),  # noqa: DTZ001 - the mistake
        ({"expiry": "2030-01-01T00:00:00Z"}, "expiry must be a datetime with a time zone"),
        ({"expiry": dt.datetime(2021, 1, 1, tzinfo=dt.UTC)}, "expiry must be in the future"),
    ],
)
def test_a_wrong_argument_changes_nothing(
    scene: Scene, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        scene.consent().give(**arguments)

    assert scene.tracker.calls == []
    assert not list(scene.folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": "full"}, "level must be an Anonymisation"),
        ({"pending": "burn"}, "pending must be 'keep', 'anonymise' or 'drop', got 'burn'"),
        ({"all": "yes"}, "all must be True or False"),
    ],
)
def test_a_wrong_withdrawal_changes_nothing(
    scene: Scene, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        scene.consent().withdraw(**arguments)

    assert scene.tracker.calls == []
    assert not list(scene.folder.iterdir())


def test_consent_of_a_closed_tracker_is_not_on_record_and_withdrawal_is(scene: Scene) -> None:
    """A controller of a closed tracker makes nothing less private (leak L26)."""
    scene.tracker.anonymisation = FULL
    scene.tracker.is_closed = True
    consent = scene.consent()

    consent.give()
    assert consent.state is ConsentState.UNKNOWN
    consent.withdraw()

    assert scene.consent().state is ConsentState.WITHDRAWN


def test_forgetting_keeps_the_answer_and_nothing_else(scene: Scene) -> None:
    consent = scene.consent()
    consent.give(documents=[RECEIPT])

    consent.forget()

    assert consent.state is ConsentState.GIVEN
    assert (consent.decided_at, consent.documents) == (None, ())
    assert "canary" not in (scene.folder / "app.consent.json").read_text()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 50_000,
        b'{"state": "given"}',
        json.dumps(STORED | {"level": 8}).encode(),
        json.dumps(STORED | {"level": True}).encode(),
        json.dumps(STORED | {"state": "perhaps"}).encode(),
        json.dumps(STORED | {"expires_at_ms": "never"}).encode(),
        json.dumps(STORED | {"documents": 5}).encode(),
        json.dumps(STORED | {"pending": None}).encode(),
    ],
)
def test_a_file_that_cannot_be_understood_hides_everything(scene: Scene, text: bytes) -> None:
    (scene.folder / "app.consent.json").write_bytes(text)

    consent = scene.consent()

    assert (consent.state, consent.floor) == (ConsentState.UNKNOWN, FULL)


def test_an_answer_that_the_disk_refuses_takes_the_old_one_with_it(scene: Scene) -> None:
    """What is not known counts as never said."""
    scene.before_consent = FULL
    consent = scene.consent()
    consent.give()
    (scene.folder / f"app.consent.{os.getpid()}.tmp").mkdir()  # the way is blocked

    consent.withdraw()

    assert scene.warnings == ["consent-file", "consent-file"]
    assert consent.state is ConsentState.WITHDRAWN
    assert scene.consent().floor == FULL


def test_a_folder_of_none_keeps_nothing_and_fails_at_nothing() -> None:
    tracker = FakeTracker()
    consent = Consent(tracker, ConsentFile(None, "app"), now_ms=lambda: 0)

    consent.withdraw()

    assert consent.state is ConsentState.WITHDRAWN
    assert ConsentFile(None, "app").load() == ConsentRecord()


def test_with_a_real_tracker_the_withdrawal_is_on_neither_side_of_the_line(tmp_path: Path) -> None:
    """No id of the identified session, none of the anonymous one, and a request of its own kind."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        consent = tracker.consent
        consent.give(documents=[RECEIPT])
        assert tracker.flush(10)
        consent.withdraw(USER)
        tracker.track(ConsentGranted())  # any event of the anonymous line
        assert tracker.flush(10)
        assert tracker.session is not None

    given, withdrawn, after = wire.requests
    assert "canary-receipt" not in (withdrawn.body or b"").decode()
    assert "client_session" not in _entities(withdrawn)
    assert "client_session" in _entities(after)
    assert "client_session" in _entities(given)
    assert withdrawn.headers["SP-Anonymous"] == "*"


def _entities(request: Any) -> str:  # noqa: ANN401 - a request
    (payload,) = json.loads(request.body)["data"]
    packed = payload.get("cx", "")
    return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()


class CrashError(BaseException):
    """The process is killed."""


class CrashingFile(ConsentFile):
    """Kills the process just before or just after the record is replaced."""

    __slots__ = ("machine",)

    def save(self, record: ConsentRecord) -> bool:
        machine: ConsentMachine = self.machine  # type: ignore[attr-defined] # set below
        machine.step("save")
        saved = ConsentFile.save(self, record)
        machine.step("saved")
        return saved


LEVELS = st.sampled_from([Anonymisation(bits) for bits in range(8)])


@settings(max_examples=60, stateful_step_count=20, deadline=None)
class ConsentMachine(RuleBasedStateMachine):
    """A tracker that remembers its level, killed at any step of any answer."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.before_consent: Anonymisation | None = None
        self.disk_level = NONE  # the tracker's own file
        self.answered: Anonymisation | None = None
        self.crash_at = -1
        self.is_recorded = False
        self.now_ms = 0
        self.start()

    def step(self, name: str) -> None:
        self.is_recorded |= name == "saved"
        if self.crash_at == 0:
            self.crash_at = -1
            raise CrashError
        self.crash_at -= 1

    def start(self) -> None:
        """A process begins: nothing is said by the app but `before_consent`."""
        file = CrashingFile(Path(self.folder.name), "app")
        object.__setattr__(file, "machine", self)
        record = file.load()
        self.tracker = FakeTracker(self.disk_level, before=self.step)
        self.consent = Consent(
            self.tracker,
            file,
            now_ms=lambda: self.now_ms,
            before_consent=self.before_consent,
            record=record,
        )
        self.tracker.anonymisation |= self.consent.floor
        self.consent.take_up()
        self.disk_level = self.tracker.anonymisation

    def run(self, act: Callable[[], None], answer: Anonymisation, crash_at: int) -> None:
        self.crash_at = crash_at
        self.is_recorded = False
        try:
            act()
        except CrashError:
            self.disk_level = self.tracker.anonymisation
            if self.is_recorded:  # from then on the answer counts, though it did not return
                self.answered = answer
            self.start()
        else:
            self.answered = answer
            self.disk_level = self.tracker.anonymisation
        self.crash_at = -1

    @rule(level=LEVELS, crash_at=st.integers(-1, 5))
    def give(self, level: Anonymisation, crash_at: int) -> None:
        self.run(lambda: self.consent.give(level), level, crash_at)

    @rule(level=LEVELS, crash_at=st.integers(-1, 6), pending=st.sampled_from(["keep", "anonymise"]))
    def withdraw(self, level: Anonymisation, crash_at: int, pending: str) -> None:
        self.run(lambda: self.consent.withdraw(level, pending=pending), level, crash_at)

    @rule(before_consent=st.none() | LEVELS)
    def restart(self, before_consent: Anonymisation | None) -> None:
        self.before_consent = before_consent
        self.start()

    @rule()
    def lose_the_trackers_own_file(self) -> None:
        self.disk_level = NONE
        self.start()

    @precondition(lambda self: self.answered is None)
    @rule()
    def forget(self) -> None:
        self.consent.forget()

    @invariant()
    def nothing_is_less_private_than_the_last_answer(self) -> None:
        level = self.tracker.anonymisation
        if self.answered is not None:
            assert level & self.answered == self.answered
        elif self.before_consent is not None and self.consent.state is ConsentState.UNKNOWN:
            assert level & self.before_consent == self.before_consent

    def teardown(self) -> None:
        self.folder.cleanup()


TestConsentMachine = ConsentMachine.TestCase


def test_a_record_that_is_stored_without_a_user_is_the_same_the_next_time() -> None:
    record = ConsentRecord(level=USER, decided_at_ms=FIRST_EVENT_MS, documents=(("a", "b"),))

    assert record.storable() == replace(record, decided_at_ms=1_654_495_200_000, documents=())
    assert record.storable().storable() == record.storable()
