"""What to say where the command line itself is wrong: the option, the value, and the cure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# As typer's parser says it; the value is told behind.
_NO_NUMBER = re.compile(r"'.*' is not a valid (int(?:eger)?|float)(?: range)?", re.DOTALL)
_OUT_OF_RANGE = re.compile(r"\S+ is not in the range (\S+)")


def message_of(error: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401 - typer hides its types
    """One sentence for a complaint of typer's parser.

    Args:
        error: one of its usage errors.
        arguments: that were parsed.
    """
    context = getattr(error, "ctx", None)
    where = getattr(context, "command_path", None) or "whiteout"
    complaint = _complaint(error, arguments)
    return f"{complaint}{'' if complaint.endswith('?') else ';'} see {where} --help"


def _complaint(error: Any, arguments: Sequence[str]) -> str:  # noqa: ANN401 - as above
    parameter = getattr(error, "param", None)
    if parameter is None:
        said = str(error.format_message()).strip()
        return said[:1].lower() + said[1:].removesuffix(".")
    names: list[str] = list(parameter.opts)
    is_option = names[-1].startswith("-")
    label = " / ".join(names) if is_option else parameter.metavar or names[-1]
    if type(error).__name__ == "MissingParameter":
        meaning = str(parameter.help or "").strip().rstrip(".")
        return f"{label} is missing: {meaning[:1].lower()}{meaning[1:]}"
    said = str(error.message).strip().rstrip(".")
    said = _NO_NUMBER.sub(r"must be a valid \1", said)
    said = _OUT_OF_RANGE.sub(r"must be in the range \1", said)
    value = _value_of(names, arguments) if is_option else None
    got = "" if value is None or repr(value) in said else f", got {value!r}"
    return f"{label} {said[:1].lower()}{said[1:]}{got}"


def _value_of(names: Sequence[str], arguments: Sequence[str]) -> str | None:
    """The value that was given to an option, where it stands by it; the last one."""
    value = None
    for place, argument in enumerate(arguments):
        option, mark, text = argument.partition("=")
        if option in names:
            value = text if mark else next(iter(arguments[place + 1 : place + 2]), None)
    return value
