"""Messages and traces of errors say nothing of who is anonymous (L28), however they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.collector import Collector, entity, unstructured
from tests.support.errors import (
    CANARY,
    ERRORS,
    PassedOnError,
    errors_of,
    fail,
    fail_in_thread,
    quiet_hooks,
)
from tests.support.processes import Child
from tests.support.trackers import CONTEXT_FREE, Wire, a_tracker

from whiteout import (
    Anonymisation,
    ApplicationError,
    ScreenView,
    SelfDescribingJson,
    SubjectConfiguration,
    TrackerConfiguration,
    TrackerError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whiteout import Tracker


@pytest.fixture(autouse=True)
def hooks() -> Iterator[list[str]]:
    """What stood in the hooks before; it notes the types that it is called with."""
    with quiet_hooks() as called:
        yield called


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("where", ["main", "thread"])
def test_L28_it_is_stored_before_the_process_dies_and_sent_by_the_next(
    tmp_path: Path, where: str, *, anonymous: bool
) -> None:
    """Without a network, so that the event can only come from the disk."""
    with Child(
        "die_of_an_exception",
        folder=str(tmp_path),
        endpoint="http://127.0.0.1:9",
        where=where,
        anonymous=anonymous,
    ) as child:
        if where == "main":
            with pytest.raises(AssertionError, match="ended with 1"):
                child.join()
        else:
            child.join()
    assert "LookupError: no account for" in child.errors  # as Python prints it
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert (CANARY.encode() in stored) is not anonymous

    with Collector() as collector, a_tracker(collector.url, tmp_path, CONTEXT_FREE) as tracker:
        assert tracker.flush()
        (event,) = collector.events
    data = unstructured(event)["data"]
    assert data["isFatal"] is (where == "main")
    assert data["exceptionName"] == "LookupError"
    assert (CANARY in str(data)) is not anonymous
    assert "_fail" in data["stackTrace"]


@pytest.mark.parametrize("caused", [False, True])
def test_L28_an_exception_is_as_anonymous_as_the_scope_that_it_left(
    tmp_path: Path, *, caused: bool
) -> None:
    wire = Wire()

    def serve(tracker: Tracker) -> None:
        visitor = SubjectConfiguration(user_id="visitor")
        try:
            with tracker.scope(subject=visitor, anonymisation=Anonymisation.USER):
                fail()
        except PassedOnError as error:
            if caused:
                raise RuntimeError(CANARY) from error
            raise

    with a_tracker(wire.network, tmp_path, TrackerConfiguration(**ERRORS)) as tracker:
        tracker.subject.user_id = "operator"
        fail_in_thread(lambda: serve(tracker))
        fail_in_thread(fail)
        assert tracker.flush()

    anonymous, known = sorted(wire.events, key=lambda event: "uid" in event)
    assert CANARY not in str(unstructured(anonymous))
    assert entity(anonymous, "client_session") is None
    assert known["uid"] == "operator"
    assert CANARY in str(unstructured(known))


@pytest.mark.parametrize("keeps", [False, True])
def test_L28_messages_stay_only_where_the_app_vouches_for_them(
    tmp_path: Path, *, keeps: bool
) -> None:
    wire = Wire()
    configuration = TrackerConfiguration(
        user_anonymisation=True, error_messages_while_anonymous=keeps, **ERRORS
    )
    with a_tracker(wire.network, tmp_path, configuration) as tracker:
        fail_in_thread(fail)
        assert tracker.flush()

    (error,) = errors_of(wire)
    assert (error["message"] == CANARY) is keeps
    assert CANARY not in str({**error, "message": ""})


@pytest.mark.parametrize("as_entity", [False, True])
def test_L28_errors_are_scrubbed_however_they_come(tmp_path: Path, *, as_entity: bool) -> None:
    """Made more anonymous later, for one event, or attached to another event."""
    wire = Wire(None)
    error = TrackerError(message=CANARY) if as_entity else ApplicationError(message=CANARY)
    attached = SelfDescribingJson(type(error).SCHEMA, {"message": CANARY})
    event = ScreenView(name="x", entities=[attached]) if as_entity else error
    with a_tracker(wire.network, tmp_path, CONTEXT_FREE) as tracker:
        tracker.track(event)
        tracker.track(event, anonymisation=Anonymisation.USER)
        tracker.set_anonymisation(Anonymisation.USER, pending="anonymise")
        wire.status = 200
        tracker.emitter.resume()
        assert tracker.flush()

    assert len(wire.events) == 2
    for sent in wire.events:
        found = entity(sent, attached.schema.split("/")[1]) if as_entity else None
        assert (found or unstructured(sent)["data"])["message"] == "hidden"
