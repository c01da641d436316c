"""Automatic exception tracking: every hook reached, nothing disturbed, nothing reported twice."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from whiteout.identifiers import Anonymisation
from whiteout.tracker.exceptions import ExceptionTracking, ReportedException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOOKS = ((sys, "excepthook"), (threading, "excepthook"))
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    asyncio.new_event_loop,
    uvloop.new_event_loop,
]


class Quiet:
    """Stands where Python's own hook prints, and counts."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any) -> None:  # noqa: ANN401 - differs from hook to hook
        self.calls.append(arguments)


@pytest.fixture(autouse=True)
def quiet_hooks() -> Iterator[dict[str, Quiet]]:
    """Nothing printed, and everything back in its place afterwards."""
    before = [(module, name, getattr(module, name)) for module, name in HOOKS]
    quiet = {}
    for module, name in HOOKS:
        hook = quiet[f"{module.__name__}.{name}"] = Quiet()
        setattr(module, name, hook)
    yield quiet
    for module, name, hook in before:
        setattr(module, name, hook)


def a_tracking(
    report: Callable[[ReportedException], object],
    level: Anonymisation = Anonymisation.NONE,
    *,
    on_error: Callable[[str], object] | None = None,
) -> ExceptionTracking:
    """One that only reports, and is of that level by itself."""
    return ExceptionTracking(
        lambda reported, _: report(reported),
        level_of=lambda _: level,
        on_error=on_error or fail_with,
    )


@contextmanager
def tracking() -> Iterator[list[ReportedException]]:
    reported: list[ReportedException] = []
    errors: list[str] = []
    tracker = a_tracking(reported.append, on_error=errors.append)
    tracker.start()
    try:
        yield reported
    finally:
        tracker.stop()
    assert errors == []


def raised(error: BaseException) -> BaseException:
    """`error`, with a traceback."""

    def fail_so() -> None:
        raise error

    try:
        fail_so()
    except BaseException as caught:  # noqa: BLE001 - whatever it is
        return caught
    raise AssertionError


def meet(error: BaseException) -> None:
    """What Python does with an exception that reaches the end of the main thread."""
    sys.excepthook(type(error), error, error.__traceback__)


def in_thread(error: BaseException, name: str = "worker") -> None:
    def work() -> None:
        raise error

    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()


def test_an_exception_of_the_main_thread_is_fatal(quiet_hooks: dict[str, Quiet]) -> None:
    error = raised(ValueError("broken"))

    with tracking() as reported:
        meet(error)

    (only,) = reported
    assert only == ReportedException(exception=error, thread_name="MainThread", is_fatal=True)
    assert quiet_hooks["sys.excepthook"].calls == [(ValueError, error, error.__traceback__)]


def test_an_exception_of_another_thread_is_not(quiet_hooks: dict[str, Quiet]) -> None:
    error = ValueError("broken")

    with tracking() as reported:
        in_thread(error, "painter")

    (only,) = reported
    assert only == ReportedException(exception=error, thread_name="painter", is_fatal=False)
    assert len(quiet_hooks["threading.excepthook"].calls) == 1


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
        asyncio.CancelledError(),
        BaseExceptionGroup("all", [KeyboardInterrupt(), SystemExit(1)]),
    ],
)
def test_what_only_ends_something_is_not_reported(
    error: BaseException, quiet_hooks: dict[str, Quiet]
) -> None:
    with tracking() as reported:
        meet(raised(error))

    assert reported == []
    assert len(quiet_hooks["sys.excepthook"].calls) == 1


def test_a_group_with_one_real_exception_is_reported() -> None:
    with tracking() as reported:
        meet(BaseExceptionGroup("mixed", [KeyboardInterrupt(), ValueError()]))

    assert len(reported) == 1


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_task_that_nobody_awaited_is_reported_whenever_its_loop_was_made(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with tracking() as reported, asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(forget_a_task())

        assert [type(each.exception) for each in reported] == [ValueError]
        assert not reported[0].is_fatal


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_callback_that_raises_is_reported(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.01)

    with tracking() as reported, asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())

        assert [type(each.exception) for each in reported] == [ValueError]


def fail() -> None:
    raise ValueError("broken")


async def forget_a_task() -> None:
    async def work() -> None:
        fail()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    del task
    gc.collect()
    await asyncio.sleep(0)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_loop_with_a_handler_of_the_apps_own_is_reached_and_the_handler_called(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A tracker that starts in a running loop reaches it, though the app prints nothing."""
    handled: list[object] = []

    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        handled.append(context["exception"])

    async def main() -> list[ReportedException]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handler)
        with tracking() as reported:
            await forget_a_task()
        assert loop.get_exception_handler() is handler
        return reported

    with asyncio.Runner(loop_factory=new_loop) as runner:
        reported = runner.run(main())

    assert [each.exception for each in reported] == handled
    assert len(handled) == 1


def test_a_handler_that_the_app_set_later_stays() -> None:
    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        return

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with tracking():
            loop.set_exception_handler(handler)
        assert loop.get_exception_handler() is handler

    asyncio.run(main())


def test_a_loop_given_by_hand_is_reached_once() -> None:
    async def main() -> None:
        tracker.install_on(asyncio.get_running_loop())
        tracker.install_on(asyncio.get_running_loop())
        await forget_a_task()

    reported: list[ReportedException] = []
    tracker = a_tracking(reported.append)
    tracker.start()
    try:
        asyncio.run(main())
    finally:
        tracker.stop()

    assert len(reported) == 1


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_handler_that_the_app_sets_in_a_new_loop_is_stood_before_by_a_call(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The usual order: the tracker is made first, and the loop by `asyncio.run`."""
    handled: list[object] = []

    def first(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        handled.append(context["exception"])

    def second(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        handled.append(context["message"])
        ours(loop, context)

    ours: Any = None

    async def main() -> None:
        nonlocal ours
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(first)
        tracker.install_on(loop)
        await forget_a_task()
        ours = loop.get_exception_handler()
        loop.set_exception_handler(second)
        tracker.install_on(loop)
        await forget_a_task()
        tracker.stop()
        assert loop.get_exception_handler() is second

    reported: list[ReportedException] = []
    tracker = a_tracking(reported.append)
    tracker.start()
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
    finally:
        tracker.stop()

    assert [each.exception for each in reported] == [handled[0], handled[2]]
    assert len(handled) == 3


def test_a_loop_is_reached_for_all_until_the_last_of_them_stops() -> None:
    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        return

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handler)
        one.install_on(loop)
        one.stop()
        await forget_a_task()
        other.stop()
        assert loop.get_exception_handler() is handler

    heard: dict[str, list[ReportedException]] = {"one": [], "other": []}
    one, other = a_tracking(heard["one"].append), a_tracking(heard["other"].append)
    one.start()
    other.start()
    asyncio.run(main())

    assert [len(each) for each in heard.values()] == [0, 1]


def test_all_get_it_at_one_level_although_somebody_wrapped_the_hook_between_them() -> None:
    levels: list[Anonymisation] = []

    def one_of(own: Anonymisation) -> ExceptionTracking:
        return ExceptionTracking(
            lambda _, level: levels.append(level), level_of=lambda _: own, on_error=fail_with
        )

    one, other = one_of(Anonymisation.FULL), one_of(Anonymisation.NONE)
    one.start()
    sys.excepthook = functools.partial(sys.excepthook)
    other.start()
    try:
        meet(raised(ValueError()))
    finally:
        one.stop()
        other.stop()

    assert levels == [Anonymisation.FULL] * 2


def meet_in_a_loop(error: BaseException) -> None:
    """What a loop does with the exception of a task that nobody awaited."""
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)


@pytest.mark.parametrize("reach", [meet, in_thread, meet_in_a_loop])
def test_all_get_an_exception_at_the_level_of_the_strictest(
    reach: Callable[[BaseException], None],
) -> None:
    """Leak L33: its place and time join what each of them sends."""
    levels: list[Anonymisation] = []

    def one_of(own: Anonymisation) -> ExceptionTracking:
        return ExceptionTracking(
            lambda _, level: levels.append(level), level_of=lambda _: own, on_error=fail_with
        )

    trackings = [
        one_of(own) for own in (Anonymisation.NONE, Anonymisation.USER, Anonymisation.SERVER)
    ]
    for each in trackings:
        each.start()
    try:
        reach(raised(ValueError()))
    finally:
        for each in trackings:
            each.stop()

    assert levels == [Anonymisation.USER | Anonymisation.SERVER] * 3


def fail_with(name: str) -> None:
    raise AssertionError(name)


def test_what_asyncio_logs_besides_is_no_exception() -> None:
    with tracking() as reported:
        logging.getLogger("asyncio").error("no exception")
        try:
            fail()
        except ValueError:
            logging.getLogger("asyncio").debug("only a remark", exc_info=True)

    assert reported == []


def test_everything_is_as_before_afterwards(quiet_hooks: dict[str, Quiet]) -> None:
    logger = logging.getLogger("asyncio")
    filters = list(logger.filters)

    with tracking():
        assert sys.excepthook is not quiet_hooks["sys.excepthook"]

    assert sys.excepthook is quiet_hooks["sys.excepthook"]
    assert threading.excepthook is quiet_hooks["threading.excepthook"]
    assert logger.filters == filters


def test_several_trackers_get_each_exception_once_and_leave_in_any_order(
    quiet_hooks: dict[str, Quiet],
) -> None:
    heard: dict[str, list[ReportedException]] = {"first": [], "second": []}
    first = a_tracking(heard["first"].append)
    second = a_tracking(heard["second"].append)
    first.start()
    second.start()
    second.start()

    meet(raised(ValueError()))
    in_thread(ValueError())
    assert [len(each) for each in heard.values()] == [2, 2]

    first.stop()
    meet(raised(ValueError()))
    assert [len(each) for each in heard.values()] == [2, 3]

    second.stop()
    second.stop()
    meet(raised(ValueError()))
    assert [len(each) for each in heard.values()] == [2, 3]
    assert sys.excepthook is quiet_hooks["sys.excepthook"]
    assert len(quiet_hooks["sys.excepthook"].calls) == 3


def test_a_hook_that_somebody_wrapped_stays_and_passes_on(quiet_hooks: dict[str, Quiet]) -> None:
    passed: list[object] = []
    with tracking() as reported:
        ours = sys.excepthook

        def wrapper(*arguments: Any) -> None:  # noqa: ANN401 - passed on
            passed.append(arguments[1])
            ours(*arguments)

        sys.excepthook = wrapper
        meet(raised(ValueError()))
    assert len(reported) == len(passed) == 1

    meet(raised(ValueError()))

    assert sys.excepthook is wrapper
    assert (len(reported), len(passed)) == (1, 2)
    assert len(quiet_hooks["sys.excepthook"].calls) == 2


def test_starting_again_above_a_wrapper_reports_once(quiet_hooks: dict[str, Quiet]) -> None:
    reported: list[ReportedException] = []
    tracker = a_tracking(reported.append)
    tracker.start()
    ours = sys.excepthook
    sys.excepthook = functools.partial(ours)
    tracker.stop()
    tracker.start()
    try:
        meet(raised(ValueError()))
    finally:
        tracker.stop()

    assert len(reported) == 1
    assert len(quiet_hooks["sys.excepthook"].calls) == 1


def test_hooks_that_lead_into_one_another_report_once(quiet_hooks: dict[str, Quiet]) -> None:
    """As the usual recipe does, that sends the exceptions of threads to `sys.excepthook`."""
    threading.excepthook = lambda arguments: sys.excepthook(
        arguments.exc_type,
        arguments.exc_value,  # type: ignore[arg-type] # there is one
        arguments.exc_traceback,
    )

    with tracking() as reported:
        in_thread(ValueError())

    assert [each.is_fatal for each in reported] == [False]
    assert len(quiet_hooks["sys.excepthook"].calls) == 1


def test_a_report_that_raises_is_counted_and_the_hooks_go_on(
    quiet_hooks: dict[str, Quiet],
) -> None:
    def report(_: ReportedException) -> None:
        raise OSError("no disk")

    errors: list[str] = []
    tracker = a_tracking(report, on_error=errors.append)
    tracker.start()
    try:
        meet(raised(ValueError()))
        meet(raised(ValueError()))
    finally:
        tracker.stop()

    assert errors == ["OSError", "OSError"]
    assert len(quiet_hooks["sys.excepthook"].calls) == 2


def test_an_exception_amid_a_report_is_not_reported() -> None:
    """Else a report that always fails in a finaliser would call itself without end."""
    reported: list[ReportedException] = []

    def report(each: ReportedException) -> None:
        reported.append(each)
        meet(raised(OSError("within")))

    tracker = a_tracking(report)
    tracker.start()
    try:
        meet(raised(ValueError()))
    finally:
        tracker.stop()

    assert [type(each.exception) for each in reported] == [ValueError]


def test_another_exception_in_the_hook_behind_is_reported(quiet_hooks: dict[str, Quiet]) -> None:
    def behind(*arguments: Any) -> None:  # noqa: ANN401 - as Python calls it
        if isinstance(arguments[1], ValueError):
            meet(raised(KeyError("another")))

    sys.excepthook = behind
    with tracking() as reported:
        meet(raised(ValueError()))

    assert [type(each.exception) for each in reported] == [ValueError, KeyError]


def test_a_report_shows_no_message() -> None:
    report = ReportedException(exception=ValueError("alice"), thread_name="t", is_fatal=False)

    assert repr(report) == "ReportedException(ValueError)"
