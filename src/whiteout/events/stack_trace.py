"""Exceptions as text: bounded, and in a form that can be reduced to what names nobody.

A stack trace here is not Python's. It has no source lines and no directories, and every line shows
by itself whether it is a frame, the name of an exception or a message, so that `reduced` can take
the messages out again, of stored events too::

    Stack (most recent call last):
      File "shop/checkout.py", line 12, in Basket.pay
      ... 9950 frames ...
      File "shop/card.py", line 7, in charge
    shop.errors.Declined: the card of Alice
      | and each further line of the message, and each note

Files are shown as the module names them, never as the disk does: `/home/alice` stays out. Code that
belongs to no module file (`exec`, templates, notebooks) shows neither its file nor its functions.

What is read of an exception may be code of the app's (`__str__`, properties), and may raise.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final

from whiteout.events.code_names import (
    GENERATED,
    MAX_LINE,
    attribute,
    class_name_of,
    guarded,
    is_a,
    is_dotted_name,
    is_module_file,
    name_of,
    place_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_MESSAGE: Final = 2048  # characters; the limits of the schemas
MAX_STACK_TRACE: Final = 8192

_HEAD: Final = 4  # frames kept at the bottom of a long stack, and where it was raised
_TAIL: Final = 40
_MAX_FRAMES: Final = 100_000  # walked; what a raised recursion limit may add is not looked at
_MAX_EXCEPTIONS: Final = 20  # of a chain, or of a group
_MAX_LINES: Final = 8  # of a message in the trace, notes included
_MIN_BLOCK: Final = 600  # characters; room for an exception's name and where it was raised

_FRAME: Final = re.compile(r'  File "([^"]+)", line ([0-9]{1,10}), in (\S+)')
_GAP: Final = re.compile(r"  \.\.\. [0-9]{1,10} frames \.\.\.")
_LEFT_OUT: Final = re.compile(r"\.\.\. [0-9]{1,10} exceptions \.\.\.")
_HEADER: Final = re.compile(
    r"(Stack|Cause|Context|Member [0-9]{1,10}([.][0-9]{1,10})*) \(most recent call last\):"
)
_CONTINUATION: Final = "  | "


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExceptionSummary:
    """What an error event says of an exception; holds no frame and no object of the app's.

    Attributes:
        name: of its type, `shop.errors.Declined`; builtins have no module.
        message: at most 2048 characters, never empty.
        stack_trace: its own frames, and the members of a group; at most 8192 characters.
        cause_stack_trace: what it came from, the nearest first; None where there is nothing.
        class_name: of the code that raised it, `shop.card` or `shop.card.Terminal`.
        file_name: of that code, `shop/card.py`.
        line_number: in that file.
    """

    name: str
    message: str
    stack_trace: str
    cause_stack_trace: str | None
    class_name: str | None
    file_name: str | None
    line_number: int | None


def summarise(exception: BaseException) -> ExceptionSummary:
    """What there is to say of an exception. Never raises, and reads no file.

    Takes some 70 us for a stack of 20 frames and 2 ms for one of 10,000, and is bounded for any:
    100,000 frames are walked and 44 shown, of 20 exceptions of a chain and 20 of a group.
    """
    name = name_of(type(exception))
    last = _last(exception)
    file_name = class_name = None
    if last is not None:
        file_name, module = place_of(last.tb_frame)
        if module is not None:
            class_name = class_name_of(module, last.tb_frame.f_code.co_qualname)
    causes = [_Block(f"{relation} {_CALL_LAST}", one) for relation, one in _chain(exception)]
    return ExceptionSummary(
        name=name,
        message=_message(exception)[:MAX_MESSAGE].strip() or name,
        stack_trace=_text([_Block(f"Stack {_CALL_LAST}", exception), *_members(exception)]),
        cause_stack_trace=_text(causes) if causes else None,
        class_name=class_name,
        file_name=None if file_name == GENERATED else file_name,
        line_number=last.tb_lineno if last is not None else None,
    )


def reduced(stack_trace: str) -> str | None:
    """A trace of `summarise` without messages; None for any other text, which may say anything.

    `reduced(reduced(text)) == reduced(text)`. Source: leak L28.
    """
    kept: list[str] = []
    in_block = has_name = False
    for line in stack_trace.split("\n"):
        if _HEADER.fullmatch(line) and in_block == has_name:
            in_block, has_name = True, False
        elif in_block and not has_name and _is_frame(line):
            pass
        elif in_block and not has_name and is_dotted_name(name := line.partition(": ")[0]):
            has_name = True
            kept.append(name)
            continue
        elif has_name and line.startswith(_CONTINUATION):
            continue
        elif not (has_name and _LEFT_OUT.fullmatch(line)):
            return None
        kept.append(line)
    return "\n".join(kept) if has_name else None


_CALL_LAST: Final = "(most recent call last):"


def _is_frame(line: str) -> bool:
    if _GAP.fullmatch(line):
        return True
    match = _FRAME.fullmatch(line)
    if match is None:
        return False
    file, _, function = match.groups()
    if file == GENERATED:
        return function == "?"
    return is_module_file(file) and (function == "?" or is_dotted_name(function))


@dataclass(frozen=True, slots=True)
class _Block:
    """One exception of a trace."""

    header: str
    exception: BaseException


def _text(blocks: Iterable[_Block | int]) -> str:
    """The blocks as far as they fit; a number stands for exceptions that are left out anyway."""
    left = MAX_STACK_TRACE - 40  # for the line that counts what is left out
    lines: list[str] = []
    left_out = 0
    for block in blocks:
        if isinstance(block, int):
            left_out += block
        elif left < _MIN_BLOCK:
            left_out += 1
        else:
            of_block = _block_lines(block, left)
            left -= sum(len(line) + 1 for line in of_block)
            lines += of_block
    if left_out:
        lines.append(f"... {left_out} exceptions ...")
    return "\n".join(lines)


def _block_lines(block: _Block, limit: int) -> list[str]:
    """Header, frames, name and message, in at most `limit` characters, which are `_MIN_BLOCK`."""
    head, total, tail = _frames(block.exception)
    message = _message_lines(block.exception)
    room = limit - len(block.header) - 1 - _length(message) - 32  # for the gap
    while message[1:] and room < _MIN_BLOCK // 2:
        room += len(message.pop()) + 1
    while tail and _length(head) + _length(tail) > room:
        if len(tail) > 1 or not head:
            tail.popleft()
        else:
            head.pop()
    gap = total - len(head) - len(tail)
    return [block.header, *head, *([f"  ... {gap} frames ..."] if gap else []), *tail, *message]


def _length(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _frames(exception: BaseException) -> tuple[list[str], int, deque[str]]:
    """The outermost frames, how many there are, and the innermost."""
    head: list[TracebackType] = []
    tail: deque[TracebackType] = deque(maxlen=_TAIL)
    total = 0
    for entry in _walk(exception):
        total += 1
        if len(head) < _HEAD:
            head.append(entry)
        else:
            tail.append(entry)
    return [_frame_line(entry) for entry in head], total, deque(map(_frame_line, tail))


def _walk(exception: BaseException) -> Iterator[TracebackType]:
    entry = attribute(exception, "__traceback__")
    for _ in range(_MAX_FRAMES):
        if not isinstance(entry, TracebackType):
            return
        yield entry
        entry = entry.tb_next


def _last(exception: BaseException) -> TracebackType | None:
    last = None
    for entry in _walk(exception):
        last = entry
    return last


def _frame_line(entry: TracebackType) -> str:
    file, module = place_of(entry.tb_frame)
    function = entry.tb_frame.f_code.co_qualname if module is not None else "?"
    if len(function) > MAX_LINE or not is_dotted_name(function):
        function = "?"
    # None where the interpreter has no line for an instruction, whatever the stubs say.
    return f'  File "{file}", line {entry.tb_lineno or 0}, in {function}'


def _message_lines(exception: BaseException) -> list[str]:
    lines = _lines_of(_message(exception))
    notes = attribute(exception, "__notes__")
    if isinstance(notes, list | tuple):
        for note in notes[:_MAX_LINES]:
            lines += _lines_of(note) if isinstance(note, str) else []
    name = name_of(type(exception))
    first = f"{name}: {lines[0]}" if lines else name
    return [first, *(f"{_CONTINUATION}{line}" for line in lines[1:_MAX_LINES])]


def _lines_of(text: str) -> list[str]:
    return [line[:MAX_LINE] for line in text[:MAX_MESSAGE].splitlines()]


def _message(exception: BaseException) -> str:
    return guarded(lambda: str(exception)) or ""


def _chain(exception: BaseException) -> Iterator[tuple[str, BaseException]]:
    """What the exception came from, the nearest first, with how."""
    seen = {id(exception)}
    current = exception
    for _ in range(_MAX_EXCEPTIONS):
        relation = "Cause"
        following = attribute(current, "__cause__")
        if following is None and not attribute(current, "__suppress_context__"):
            relation, following = "Context", attribute(current, "__context__")
        if not is_a(following, BaseException) or id(following) in seen:
            return
        seen.add(id(following))
        yield relation, following
        current = following


def _members(group: BaseException) -> Iterator[_Block | int]:
    """The exceptions of a group, nested ones too, in order; then how many are left out."""
    waiting = [(str(number), one) for number, one in _numbered(group)][::-1]
    for _ in range(_MAX_EXCEPTIONS):
        if not waiting:
            break
        number, member = waiting.pop()
        yield _Block(f"Member {number} {_CALL_LAST}", member)
        if number.count(".") < _MAX_EXCEPTIONS:
            waiting += [(f"{number}.{index}", one) for index, one in _numbered(member)][::-1]
    size = len(_exceptions(group))
    yield len(waiting) + max(0, size - _MAX_EXCEPTIONS)


def _numbered(group: BaseException) -> Iterable[tuple[int, BaseException]]:
    return enumerate(_exceptions(group)[:_MAX_EXCEPTIONS], 1)


def _exceptions(group: BaseException) -> tuple[BaseException, ...]:
    if not is_a(group, BaseExceptionGroup):
        return ()
    members = attribute(group, "exceptions")
    if not isinstance(members, tuple):
        return ()
    return tuple(one for one in members if is_a(one, BaseException))
