"""Automatic exception tracking: what nobody catches is reported before the process can die of it.

Reached are the hooks that Python calls with an exception that nobody caught:

- `sys.excepthook`: the main thread, whose exception ends the program;
- `threading.excepthook`: any other thread, which ends alone;
- the logger `asyncio`: where the default exception handler of every event loop writes, of uvloop as
  well, whenever the loop is made. Loops with a handler that does not go on to the default one are
  reached with `install_on(loop)`, which is done for the loop that runs at `start`;
- `sys.unraisablehook`, where asked for: exceptions in finalisers.

Not reached: crashes below Python (a segmentation fault runs no Python code; `faulthandler` shows
it, and is left alone), `os._exit`, signals without a handler, and exceptions that a framework
catches, as web servers, `concurrent.futures` and `multiprocessing` do.

What was in a hook before is called afterwards, always. There is one hook object for all trackers of
the process; it stands in the hook itself, so this module has no state. It is taken away with its
last tracker if it still stands there. Where somebody has wrapped it, it stays, and only passes on.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whiteout.events.error import ApplicationError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    _LoopHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

_MAX_LEAVES: Final = 1000  # of an exception group; beyond that it counts as an exception
_ASYNCIO_LOGGER: Final = "asyncio"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReportedException:
    """An exception that nobody caught.

    Attributes:
        exception: itself, with its traceback.
        thread_name: of the thread that raised it; None where that is not known.
        is_fatal: whether it ends the program.
    """

    exception: BaseException
    thread_name: str | None
    is_fatal: bool

    def __repr__(self) -> str:
        """The type only: messages are the app's users' business (leak L28)."""
        return f"ReportedException({type(self.exception).__name__})"


def application_error(reported: ReportedException) -> ApplicationError:
    """The event for an exception; to be called on the thread that reports it."""
    return ApplicationError.from_exception(reported.exception, is_fatal=reported.is_fatal)


class ExceptionTracking:
    """Reports what nobody catches, from `start` until `stop`.

    `report` is called on the thread that the exception is of, in its hook; when it has returned,
    the process may end. It gets each exception once. `start` and `stop` may be called any number
    of times, under one lock for all trackers of the process; the hooks call from any thread.

    Args:
        report: tracks the exception. What it raises goes no further than `on_error`.
        on_error: told the name of the type of an exception that `report` raised.
        unraisable: report exceptions in finalisers too.
    """

    def __init__(
        self,
        report: Callable[[ReportedException], object],
        *,
        on_error: Callable[[str], object],
        unraisable: bool = False,
    ) -> None:
        self._report = report
        self._on_error = on_error
        self._kinds = (_MAIN, _THREADS, _FINALISERS) if unraisable else (_MAIN, _THREADS)
        self._hooks: list[_Hook] = []
        self._filter = _AsyncioFilter(self)
        self._handlers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopHook] = (
            weakref.WeakKeyDictionary()
        )
        self._here = _Here()
        self.is_on = False

    def start(self) -> None:
        """Begin to report."""
        if self.is_on:
            return
        self.is_on = True
        for kind in self._kinds:
            hook = kind.installed()
            hook.add(self)
            self._hooks.append(hook)
        logging.getLogger(_ASYNCIO_LOGGER).addFilter(self._filter)
        loop = _running_loop()
        if loop is not None:
            self.install_on(loop)

    def stop(self) -> None:
        """Report no more; put back what was in the hooks before, where we still stand there."""
        if not self.is_on:
            return
        self.is_on = False
        while self._hooks:
            self._hooks.pop().remove(self)
        logging.getLogger(_ASYNCIO_LOGGER).removeFilter(self._filter)
        for loop, handler in list(self._handlers.items()):
            handler.remove(loop)
        self._handlers.clear()

    def install_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Reach an event loop whose exception handler does not go on to the default one.

        To be called after the app set its handler, which is called afterwards as before.
        """
        if not self.is_on or loop in self._handlers:
            return
        hook = self._handlers[loop] = _LoopHook(self, loop.get_exception_handler())
        loop.set_exception_handler(hook)

    def take(self, reported: ReportedException) -> bool:
        """Report, unless it is under way on this thread already; True: `let_go` is owed.

        Hooks are often chained to one another, and an exception passes several of ours then.
        Whatever fails in the middle of reporting is not reported: that would have no end.
        """
        here = self._here
        exception = reported.exception
        if (
            not self.is_on
            or here.is_reporting
            or any(other is exception for other in here.taken)
            or _is_meant_to_end(exception)
        ):
            return False
        here.is_reporting = True
        try:
            self._report(reported)
        except Exception as error:  # noqa: BLE001 - the program has a fault of its own to deal with
            self._on_error(type(error).__name__)
        finally:
            here.is_reporting = False
        here.taken.append(exception)
        return True

    def let_go(self) -> None:
        """The hooks behind have seen the exception that was taken last."""
        self._here.taken.pop()


class _Here(threading.local):
    """What goes on in a thread."""

    def __init__(self) -> None:
        self.is_reporting = False
        self.taken: list[BaseException] = []


class _Hook:
    """Stands in a hook's place: reports to every tracking, and goes on to what was there."""

    def __init__(self, kind: _Kind, previous: Callable[..., object]) -> None:
        self._kind = kind
        self._previous = previous
        self._trackings: tuple[ExceptionTracking, ...] = ()

    def __call__(self, *arguments: Any) -> object:  # noqa: ANN401 - differs from hook to hook
        taken: list[ExceptionTracking] = []
        try:
            reported = self._kind.read(*arguments)
            if reported is not None:
                taken.extend(each for each in self._trackings if each.take(reported))
        finally:
            try:
                result = self._previous(*arguments)
            finally:
                for each in taken:
                    each.let_go()
        return result

    def add(self, tracking: ExceptionTracking) -> None:
        """Report to `tracking` too."""
        self._trackings = (*self._trackings, tracking)

    def remove(self, tracking: ExceptionTracking) -> None:
        """Report to it no more; the last one takes the hook away."""
        self._trackings = tuple(each for each in self._trackings if each is not tracking)
        kind = self._kind
        if not self._trackings and getattr(kind.module, kind.name, None) is self:
            setattr(kind.module, kind.name, self._previous)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of Python's hooks, and how to read what it is called with."""

    module: ModuleType
    name: str
    read: Callable[..., ReportedException | None]

    def installed(self) -> _Hook:
        """Our hook of this kind: the one that stands there, or a new one."""
        current = getattr(self.module, self.name, None)
        if isinstance(current, _Hook):
            return current
        hook = _Hook(self, current or getattr(self.module, f"__{self.name}__"))
        setattr(self.module, self.name, hook)
        return hook


def _read_main(
    _kind: type[BaseException], value: BaseException | None, _traceback: TracebackType | None
) -> ReportedException | None:
    if value is None:
        return None
    name = threading.current_thread().name
    return ReportedException(exception=value, thread_name=name, is_fatal=True)


def _read_thread(arguments: threading.ExceptHookArgs) -> ReportedException | None:
    if arguments.exc_value is None:
        return None
    name = arguments.thread.name if arguments.thread is not None else None
    return ReportedException(exception=arguments.exc_value, thread_name=name, is_fatal=False)


def _read_finaliser(arguments: sys.UnraisableHookArgs) -> ReportedException | None:
    if arguments.exc_value is None:
        return None
    # It ran on whatever thread dropped the last reference: its name says nothing.
    return ReportedException(exception=arguments.exc_value, thread_name=None, is_fatal=False)


_MAIN: Final = _Kind(sys, "excepthook", _read_main)
_THREADS: Final = _Kind(threading, "excepthook", _read_thread)
_FINALISERS: Final = _Kind(sys, "unraisablehook", _read_finaliser)


class _AsyncioFilter(logging.Filter):
    """Sees what event loops log of exceptions that nobody caught; lets everything through."""

    def __init__(self, tracking: ExceptionTracking) -> None:
        super().__init__()
        self._tracking = tracking

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR and record.exc_info:
            exception = record.exc_info[1]
            if exception is not None and self._tracking.take(_of_loop(exception)):
                self._tracking.let_go()
        return True


class _LoopHook:
    """The exception handler of one event loop, chained to the one that was there."""

    def __init__(self, tracking: ExceptionTracking, previous: _LoopHandler | None) -> None:
        self._tracking = tracking
        self._previous = previous

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exception = context.get("exception")
        is_taken = isinstance(exception, BaseException) and self._tracking.take(_of_loop(exception))
        try:
            if self._previous is not None:
                self._previous(loop, context)
            else:
                loop.default_exception_handler(context)
        finally:
            if is_taken:
                self._tracking.let_go()

    def remove(self, loop: asyncio.AbstractEventLoop) -> None:
        """Put back what was there, unless the app has set another handler since."""
        if loop.get_exception_handler() is self:
            loop.set_exception_handler(self._previous)


def _of_loop(exception: BaseException) -> ReportedException:
    name = threading.current_thread().name
    return ReportedException(exception=exception, thread_name=name, is_fatal=False)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread; does not load asyncio for it, which takes 40 ms."""
    module = sys.modules.get("asyncio")
    if module is None:
        return None
    try:
        loop: asyncio.AbstractEventLoop = module.get_running_loop()
    except RuntimeError:
        return None
    return loop


def _is_meant_to_end(exception: BaseException) -> bool:
    """Whether it only ends something: Ctrl-C, `sys.exit`, a cancelled task, a closed generator."""
    waiting = [exception]
    for _ in range(_MAX_LEAVES):
        if not waiting:
            return True
        current = waiting.pop()
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        elif not isinstance(current, (KeyboardInterrupt, SystemExit, GeneratorExit)) and (
            type(current).__name__ != "CancelledError"
        ):
            return False
    return False
