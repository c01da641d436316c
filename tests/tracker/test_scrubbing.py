"""L28: what errors and notifications say of somebody is gone, and where the code failed stays."""

from __future__ import annotations

import json
import sys
import time
import types
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.events.error import ApplicationError, TrackerError
from whiteout.events.notification import MessageNotification, MessageNotificationAttachment
from whiteout.events.schema import SCHEMAS
from whiteout.events.stack_trace import MAX_STACK_TRACE, reduced, summarise
from whiteout.protocol.self_describing import SelfDescribingJson
from whiteout.tracker.scrubbing import HIDDEN, scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "canary"
ERROR = ApplicationError.SCHEMA
VALIDATORS = {
    uri: jsonschema_rs.Draft4Validator(
        {key: value for key, value in schema.items() if key not in {"$schema", "self"}},
        validate_formats=True,
    )
    for uri, schema in SCHEMAS.items()
}


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    """Tests put modules of their own in the place of others."""
    before = dict(sys.modules)
    yield
    sys.modules.clear()
    sys.modules.update(before)


def no_uuid() -> str:
    pytest.fail("no id is needed")


def scrubbed(exception: BaseException) -> dict[str, Any]:
    """The data of the event for an exception, under user anonymity."""
    return data_of(ApplicationError.from_exception(exception))


def data_of(event: ApplicationError | TrackerError | MessageNotification) -> dict[str, Any]:
    passed = scrub(event.self_describing(no_uuid))
    VALIDATORS[event.SCHEMA].validate(passed.data)
    assert scrub(passed) == passed
    return dict(passed.data)


def caught(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it raises
        return error
    pytest.fail("nothing was raised")


def module_of(source: str, *, name: str, file: str) -> types.ModuleType:
    """A module as if it had been imported from `file`."""
    module = sys.modules[name] = types.ModuleType(name)
    module.__file__ = file
    exec(compile(source, file, "exec"), module.__dict__)  # noqa: S102 - the test's own code
    return module


SHOP = """
class CanaryFreeError(Exception):
    pass

class Basket:
    def pay(self, name):
        secret = "canary-value"
        raise CanaryFreeError(f"the card of {name} is declined")
"""


def pay(file: str = "/home/canary/shop/basket.py", name: str = "shop.basket") -> Exception:
    module = module_of(SHOP, name=name, file=file)
    return caught(lambda: module.Basket().pay("canary-user"))


def test_kind_and_place_of_an_error_stay() -> None:
    data = scrubbed(pay())

    assert data == {
        "message": "shop.basket.CanaryFreeError",
        "exceptionName": "shop.basket.CanaryFreeError",
        "programmingLanguage": "PYTHON",
        "threadName": "MainThread",
        "className": "shop.basket.Basket",
        "fileName": "shop/basket.py",
        "lineNumber": 8,
        "isFatal": False,
        "stackTrace": data["stackTrace"],
    }
    assert data["stackTrace"].splitlines()[-2:] == [
        '  File "shop/basket.py", line 8, in Basket.pay',
        "shop.basket.CanaryFreeError",
    ]


def test_an_app_may_vouch_for_its_messages_but_not_for_those_in_traces() -> None:
    event = ApplicationError.from_exception(ValueError("sold out"))

    data = scrub(event.self_describing(no_uuid), keeps_message=True).data

    assert data["message"] == "sold out"
    assert "sold out" not in data["stackTrace"]


def with_notes() -> Exception:
    error = ValueError('canary\ncanary: 1\n  File "canary.py", line 1, in canary\ncanary')
    error.add_note("canary")
    error.add_note("Stack (most recent call last):\ncanary\n  | canary")
    return error


def chained() -> BaseException:
    def act() -> None:
        try:
            _raise(KeyError("canary-key"))
        except KeyError as error:
            following = TypeError("canary-type")
            following.__cause__ = error
            try:
                _raise(following)
            except TypeError:
                _raise(OSError(2, "canary-file", "/home/canary/file"))

    return caught(act)


def grouped() -> BaseException:
    inner = ExceptionGroup("canary-inner", [ValueError("canary"), pay()])
    return caught(lambda: _raise(ExceptionGroup("canary-group", [inner, with_notes()])))


def _raise(error: BaseException) -> None:
    raise error


def of_syntax() -> BaseException:
    return caught(lambda: compile("canary = = 'canary'", "/home/canary/canary.py", "exec"))


def of_template() -> BaseException:
    return caught(lambda: exec(compile("def canary(): 1/0\ncanary()", "<canary>", "exec"), {}))  # noqa: S102 - a template


def with_named_code() -> BaseException:
    def innocent() -> None:
        raise ValueError("canary")

    code = innocent.__code__.replace(co_name="canary of alice", co_qualname="canary of alice")
    return caught(types.FunctionType(code, {"__name__": "canary alice"}))


def with_named_type() -> BaseException:
    kind = type("canary of alice", (LookupError,), {"__module__": "canary of alice"})
    return caught(lambda: _raise(kind("canary")))


def with_odd_module() -> BaseException:
    kind = type("Odd", (LookupError,), {"__module__": 5})
    return caught(lambda: _raise(kind("canary")))


class HostileError(Exception):
    """Raises at all that is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("canary")

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - anything
        raise RuntimeError("canary")


@pytest.mark.parametrize(
    "make",
    [
        pay,
        with_notes,
        chained,
        grouped,
        of_syntax,
        of_template,
        with_named_code,
        with_named_type,
        with_odd_module,
        HostileError,
        lambda: UnicodeDecodeError("utf-8", b"canary", 0, 1, "canary"),
        lambda: ValueError("canary \ud800 \x1e \u2028 canary"),
        lambda: pay(file="C:\\Users\\canary\\shop\\basket.py"),
        lambda: pay(file="/home/canary/shop.py", name="home.canary.shop"),
        lambda: pay(file="/home/canary/shop.py", name="canary.shop"),
        lambda: pay(file="/srv/users/canary/shop.py", name="canary.shop"),
        lambda: pay(file="/home/canary/other.py", name="shop.basket"),
        lambda: pay(file="/home/canary/script", name="__main__"),
        lambda: pay(file="/home/canary/canary.py", name="__main__"),
        lambda: pay(file="<ipython-input-canary>", name="__main__"),
    ],
)
def test_no_value_name_of_a_user_or_path_is_left(make: Callable[[], BaseException]) -> None:
    error = make()
    whole = ApplicationError.from_exception(error).self_describing(no_uuid).data
    VALIDATORS[ERROR].validate(json.loads(json.dumps(whole).encode("utf-8", "replace")))

    data = scrubbed(error)

    assert CANARY not in json.dumps(data).replace("CanaryFree", "")
    assert data["message"] == data["exceptionName"]
    assert data["stackTrace"].startswith("Stack (most recent call last):")
    json.dumps(data).encode()


def test_the_name_of_a_type_that_no_code_gave_is_its_bases() -> None:
    assert scrubbed(with_named_type())["exceptionName"] == "LookupError"


def test_chained_exceptions_are_told_apart() -> None:
    data = scrubbed(chained())

    assert [line for line in data["causeStackTrace"].splitlines() if not line.startswith(" ")] == [
        "Context (most recent call last):",
        "TypeError",
        "Cause (most recent call last):",
        "KeyError",
    ]
    assert data["exceptionName"] == "FileNotFoundError"


def test_the_members_of_a_group_are_numbered() -> None:
    lines = scrubbed(grouped())["stackTrace"].splitlines()

    assert [line for line in lines if not line.startswith(" ")] == [
        "Stack (most recent call last):",
        "ExceptionGroup",
        "Member 1 (most recent call last):",
        "ExceptionGroup",
        "Member 1.1 (most recent call last):",
        "ValueError",
        "Member 1.2 (most recent call last):",
        "shop.basket.CanaryFreeError",
        "Member 2 (most recent call last):",
        "ValueError",
    ]


def recurse(depth: int) -> int:
    return recurse(depth - 1) + 1 if depth else 1 // 0


def deep(depth: int = 10_000) -> BaseException:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 1000)
    try:
        return caught(lambda: recurse(depth))
    finally:
        sys.setrecursionlimit(limit)


def test_a_recursion_of_10000_frames_is_bounded_in_time_and_size() -> None:
    error = deep()
    begin = time.process_time()

    data = scrubbed(error)

    assert time.process_time() - begin < 0.25
    lines = data["stackTrace"].splitlines()
    assert len(data["stackTrace"]) <= MAX_STACK_TRACE
    assert len(lines) < 60
    assert sum(" frames ..." in line for line in lines) == 1
    assert lines[-2].endswith("in recurse")


def test_a_chain_without_end_and_a_wide_group_are_bounded() -> None:
    first = ValueError("canary")
    last = first
    for number in range(5000):
        following = ValueError(f"canary {number}")
        last.__cause__ = following
        last = following
    last.__cause__ = first
    wide = ExceptionGroup("canary", [ValueError("canary") for _ in range(5000)])
    begin = time.process_time()

    of_chain, of_group = scrubbed(first), scrubbed(wide)

    assert time.process_time() - begin < 0.25
    assert of_chain["causeStackTrace"].count("ValueError") == 20
    assert of_group["stackTrace"].splitlines()[-1] == "... 4980 exceptions ..."


def test_long_names_and_messages_leave_room_for_where_it_was_raised() -> None:
    long = "x" * 5000
    kind = type(long, (ValueError,), {})
    error = caught(lambda: _raise(kind("\n".join([long] * 50))))
    for _ in range(3000):
        error.add_note(long)

    data = scrubbed(error)
    whole = summarise(error).stack_trace

    assert data["exceptionName"] == "ValueError"
    assert "in _raise" in data["stackTrace"]
    assert len(whole) <= MAX_STACK_TRACE
    assert "in _raise" in whole


TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            "\n",
            "Stack (most recent call last):",
            '  File "shop/a.py", line 1, in f',
            '  File "<generated>", line 1, in ?',
            "  | ",
            "canary",
            ": ",
            "... 3 exceptions ...",
            "  ... 3 frames ...",
            "ValueError",
        ]
    ),
    max_size=12,
).map("".join)


@given(message=TEXTS, notes=st.lists(TEXTS, max_size=3), raised=st.booleans())
def test_no_message_can_pass_for_a_place_in_the_code(
    message: str, notes: list[str], *, raised: bool
) -> None:
    """What is reduced is the same as if the exception had said nothing."""
    speaking, silent = ValueError(message), ValueError()
    for note in notes:
        speaking.add_note(note)
    errors = [caught(lambda e=e: _raise(e)) if raised else e for e in (speaking, silent)]  # type: ignore[misc] # a default

    traces = [reduced(summarise(error).stack_trace) for error in errors]

    assert traces[0] == traces[1]
    assert traces[0] is not None
    assert reduced(traces[0]) == traces[0]


@given(TEXTS)
def test_a_trace_of_another_make_goes_as_a_whole(text: str) -> None:
    kept = reduced(text)

    assert kept is None or kept.startswith("Stack (most recent call last):\n")
    assert reduced(f"Traceback (most recent call last):\n{text}") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    sorted({name for schema in SCHEMAS.values() for name in schema["properties"]})
)


@given(
    schema=st.sampled_from([ERROR, TrackerError.SCHEMA, MessageNotification.SCHEMA]),
    data=st.dictionaries(NAMES, JSON | st.just("of canary@example.com"), max_size=8),
)
def test_whatever_a_body_holds_what_is_left_is_safe_and_stays_so(
    schema: str, data: dict[str, Any]
) -> None:
    """Bodies may come from the app itself, in any shape."""
    passed = scrub(SelfDescribingJson(schema, data))

    if schema != MessageNotification.SCHEMA:
        assert "@" not in json.dumps(dict(passed.data))
        assert passed.data["message"]
    assert scrub(passed) == passed


def test_what_an_app_says_itself_of_an_error_is_hidden() -> None:
    event = ApplicationError(
        message="no money left for canary",
        thread_name="canary-thread",
        thread_id=77,
        stack_trace="Traceback (most recent call last):\n  canary",
        class_name="of canary",
        file_name="/home/canary/x.py",
        line_number=3,
    )

    assert data_of(event) == {"message": HIDDEN, "programmingLanguage": "PYTHON", "lineNumber": 3}


@pytest.mark.parametrize(
    "name", ["MainThread", "Thread-1", "Thread-2 (work)", "ThreadPoolExecutor-0_1", "Dummy-3"]
)
def test_the_names_that_python_gives_threads_stay(name: str) -> None:
    assert data_of(ApplicationError(message="m", thread_name=name))["threadName"] == name


def test_an_error_of_the_tracker_keeps_its_source() -> None:
    event = TrackerError(message="canary", source="store-failed", exception_name="OSError")

    assert data_of(event) == {
        "message": "OSError",
        "className": "store-failed",
        "exceptionName": "OSError",
    }


def test_a_notification_keeps_what_the_app_fixed_beforehand() -> None:
    event = MessageNotification(
        title="Dear canary",
        body="canary wrote to you",
        trigger="push",
        notification_timestamp="2026-11-23T12:00:00Z",
        sound="ping.aiff",
        action="open",
        body_loc_key="NEW_MESSAGE",
        body_loc_args=["canary"],
        title_loc_key="DEAR",
        title_loc_args=["canary"],
        group="canary",
        category="messages",
        notification_count=17,
        subtitle="canary",
        content_available=True,
        thread_identifier="canary",
        icon="letter",
        tag="canary",
        attachments=[
            MessageNotificationAttachment(identifier="canary", type="png", url="https://canary/")
        ],
    )

    assert data_of(event) == {
        "title": "",
        "body": "",
        "trigger": "push",
        "sound": "ping.aiff",
        "action": "open",
        "bodyLocKey": "NEW_MESSAGE",
        "titleLocKey": "DEAR",
        "category": "messages",
        "contentAvailable": True,
        "icon": "letter",
    }


def test_other_bodies_are_given_back_as_they_are() -> None:
    body = SelfDescribingJson("iglu:com.acme/order/jsonschema/1-0-0", {"id": CANARY})

    assert scrub(body) is body
