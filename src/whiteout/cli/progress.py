"""That something is going on: a line that changes, where standard error is a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOK_EVERY_S = 0.25


class Progress(Protocol):
    """Says how far something is. Any thread may call."""

    def __call__(self, text: str, *, done: int | None = None, total: int | None = None) -> None:
        """Say what is being done, and how much of how much is done."""
        ...


@contextlib.contextmanager
def progress(text: str, *, lines: bool = False) -> Iterator[Progress]:
    """Show `text`, a clock and how far it is, until the block ends; then nothing of it is left.

    Args:
        text: what is being done.
        lines: say each text in a line of its own where there is no terminal.
    """
    if not sys.stderr.isatty():
        yield _say if lines else _say_nothing
        return
    from rich.console import Console  # noqa: PLC0415 - only on terminals
    from rich.progress import (  # noqa: PLC0415 - the same
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Drawn  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Drawn(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(text, total=None)

        def tell(text: str, *, done: int | None = None, total: int | None = None) -> None:
            description = Text(text).markup
            shown.update(task, description=description, completed=done, total=total, refresh=True)

        yield tell


@contextlib.contextmanager
def watching(text: str, left: Callable[[], int]) -> Iterator[None]:
    """Show how much of something is left while the block goes on.

    Args:
        text: such as `loading {left} records`.
        left: asked now and then, in a thread of its own; what it raises ends the watching.
    """
    ended = threading.Event()

    def watch(tell: Progress) -> None:
        total = 0
        while not ended.wait(_LOOK_EVERY_S):
            now = left()
            total = max(total, now)
            tell(text.format(left=f"{now:,}"), done=total - now, total=total)

    with progress(text.format(left="…")) as tell:
        if not sys.stderr.isatty():
            yield
            return
        thread = threading.Thread(target=watch, args=(tell,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _say(text: str, *, done: int | None = None, total: int | None = None) -> None:  # noqa: ARG001 - `Progress`
    sys.stderr.write(f"whiteout: {text}\n")
    sys.stderr.flush()


def _say_nothing(text: str, *, done: int | None = None, total: int | None = None) -> None:
    """Where nobody looks."""
