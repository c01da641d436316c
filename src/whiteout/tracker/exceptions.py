"""Automatic exception tracking: what nobody catches is reported before the process can die of it.

Reached are the hooks that Python calls with an exception that nobody caught:

- `sys.excepthook`: the main thread, whose exception ends the program;
- `threading.excepthook`: any other thread, which ends alone;
- the logger `asyncio`: where the default exception handler of every event loop writes, of uvloop as
  well, whenever the loop is made. Loops with a handler that does not go on to the default one are
  reached with `install_on(loop)`, which is done for the loop that runs at `start`.

Not reached: crashes below Python (a segmentation fault runs no Python code; `faulthandler` shows
it, and is left alone), `os._exit`, signals without a handler, exceptions in finalisers, which end
nothing, and those that a framework catches, as web servers, `concurrent.futures` and
`multiprocessing` do.

What was in a hook before is called afterwards, always. There is one hook object for all trackers of
the process; it stands in the hook itself, so this module has no state. It is taken away with its
last tracker if it still stands there. Where somebody has wrapped it, it stays, and only passes on.

All trackers get an exception at one level, that of the strictest of them (leak L33): time, place
and message would join the copy of an anonymous tracker to that of one which names the user.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whiteout.events.error import ApplicationError
from whiteout.identifiers import Anonymisation

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
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
        report: tracks the exception, at least as anonymous as it is told. What it raises goes no
            further than `on_error`.
        level_of: how anonymous this tracker would be about an exception by itself.
        on_error: told the name of the type of an exception that `report` raised.
    """

    def __init__(
        self,
        report: Callable[[ReportedException, Anonymisation], object],
        *,
        level_of: Callable[[BaseException], Anonymisation],
        on_error: Callable[[str], object],
    ) -> None:
        self._report = report
        self.level_of = level_of
        self._on_error = on_error
        self._hooks: list[_Hook | _LoopHooks] = []
        self._here = _Here()
        self.is_on = False

    def start(self) -> None:
        """Begin to report."""
        if self.is_on:
            return
        self.is_on = True
        self._hooks = [_MAIN.installed(), _THREADS.installed(), _LoopHooks.installed()]
        for hook in self._hooks:
            hook.add(self)
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

    def install_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Reach an event loop whose exception handler does not go on to the default one.

        For all trackers, until the last of them stops. To be called after the app set its handler,
        which is called afterwards as before; again where it has set another.
        """
        if self.is_on:
            _LoopHooks.installed().install_on(loop)

    def take(self, reported: ReportedException, level: Anonymisation) -> bool:
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
            self._report(reported, level)
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


class _Company:
    """The trackings that one hook reports to; replaced as a whole, under the process's lock."""

    def __init__(self) -> None:
        self.trackings: tuple[ExceptionTracking, ...] = ()

    def add(self, tracking: ExceptionTracking) -> None:
        """Report to `tracking` too."""
        self.trackings = (*self.trackings, tracking)

    def remove(self, tracking: ExceptionTracking) -> None:
        """Report to it no more; the last one takes the hook away."""
        self.trackings = tuple(each for each in self.trackings if each is not tracking)
        if not self.trackings:
            self._leave()

    def _leave(self) -> None:
        """Put back what was there, where nobody else has put something there since."""
        raise NotImplementedError

    def _strictest(self, exception: BaseException) -> Anonymisation:
        """The level of all trackings there are: a hook may have been wrapped between two of them.

        Each of them is with the loops' hooks, which nobody wraps.
        """
        level = Anonymisation.NONE
        for each in {*self.trackings, *_LoopHooks.installed().trackings}:
            level |= each.level_of(exception)
        return level

    @contextmanager
    def _reporting(self, reported: ReportedException | None) -> Iterator[None]:
        """Report to all; the hooks behind are to be called inside."""
        taken: list[ExceptionTracking] = []
        try:
            if reported is not None and self.trackings:
                level = self._strictest(reported.exception)  # before any of them gets it
                taken.extend(each for each in self.trackings if each.take(reported, level))
        finally:
            try:
                yield
            finally:
                for each in taken:
                    each.let_go()


class _Hook(_Company):
    """Stands in a hook's place: reports to every tracking, and goes on to what was there."""

    def __init__(self, kind: _Kind, previous: Callable[..., object]) -> None:
        super().__init__()
        self._kind = kind
        self._previous = previous

    def __call__(self, *arguments: Any) -> object:  # noqa: ANN401 - differs from hook to hook
        with self._reporting(self._kind.read(*arguments)):
            return self._previous(*arguments)

    def _leave(self) -> None:
        kind = self._kind
        if getattr(kind.module, kind.name, None) is self:
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


_MAIN: Final = _Kind(sys, "excepthook", _read_main)
_THREADS: Final = _Kind(threading, "excepthook", _read_thread)


class _LoopHooks(_Company, logging.Filter):
    """Sees what event loops log of exceptions that nobody caught; lets everything through.

    And knows the loops whose handlers it is chained to, since they log nothing.
    """

    def __init__(self) -> None:
        logging.Filter.__init__(self)
        _Company.__init__(self)
        # Our handler of a loop, and what was there before.
        self._loops: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[_LoopHandler, _LoopHandler | None]
        ] = weakref.WeakKeyDictionary()

    @classmethod
    def installed(cls) -> _LoopHooks:
        """The one that stands in the logger, or a new one."""
        logger = logging.getLogger(_ASYNCIO_LOGGER)
        found = next((each for each in logger.filters if isinstance(each, cls)), None)
        if found is None:
            found = cls()
            logger.addFilter(found)
        return found

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR and record.exc_info and record.exc_info[1] is not None:
            with self._reporting(_of_loop(record.exc_info[1])):
                pass
        return True

    def install_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stand before the handler that the loop has now, unless that is us."""
        current = loop.get_exception_handler()
        if loop in self._loops and current is self._loops[loop][0]:
            return

        def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            exception: object = context.get("exception")
            reported = _of_loop(exception) if isinstance(exception, BaseException) else None
            with self._reporting(reported):
                if current is not None:
                    current(loop, context)
                else:
                    loop.default_exception_handler(context)

        self._loops[loop] = handler, current
        loop.set_exception_handler(handler)

    def _leave(self) -> None:
        logging.getLogger(_ASYNCIO_LOGGER).removeFilter(self)
        for loop, (handler, previous) in list(self._loops.items()):
            if loop.get_exception_handler() is handler:
                loop.set_exception_handler(previous)
        self._loops.clear()


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
