"""A thread that does one thing whenever it is woken, and nobody waits for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Worker:
    """Runs `work` on a thread of its own, started at the first `wake`. Any thread may call.

    Being woken while it works makes it work once more. The thread does not keep the process alive.

    Args:
        name: of the thread.
        work: must not raise.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._name = name
        self._work = work
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()  # a signal handler may wake it while its thread does
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_due = False
        self._is_closed = False

    def wake(self) -> None:
        """Let it work, now or as soon as it is through with what it does."""
        self._is_due = True
        self._woken.set()
        if self._thread is None:
            self._start()

    def close(self, timeout_s: float) -> bool:
        """End, after what it was woken for; False: it is still at it after `timeout_s`."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._woken.set()
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def after_fork(self) -> None:
        """In a forked child, which has no such thread: begin anew."""
        self._reset()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._is_closed:
                return
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # the interpreter is ending; `close` says what is left undone
            self._thread = thread

    def _run(self) -> None:
        while True:
            self._woken.wait()
            self._woken.clear()
            is_last = self._is_closed  # before `_is_due`: what was woken before `close` is done
            if self._is_due:
                self._is_due = False
                self._work()
            if is_last:
                return
