"""What code calls itself: modules, files, classes, functions; never where on the disk they are.

What is asked of an exception or a module may be code of the app's, and may raise.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

GENERATED: Final = "<generated>"  # stands for a file that is no module's
MAX_NAME: Final = 1024  # characters; the limit of the schemas
MAX_LINE: Final = 200  # characters of a line or a name in a stack trace
_SCOPE: Final = re.compile(r"<(locals|lambda|module|genexpr|listcomp|setcomp|dictcomp)>")
_SEGMENTS: Final = re.compile(r"[\\/]+")
_HOMES: Final = frozenset({"home", "homes", "users", "user", "profiles", "root"})
_SOURCES: Final = frozenset({"py", "pyw", "pyc", "pyx"})


def is_dotted_name(text: str) -> bool:
    """Whether `text` is what code calls something, `shop.card.Terminal`: no spaces, no values."""
    return len(text) <= MAX_NAME and all(
        part.isidentifier() or _SCOPE.fullmatch(part) is not None for part in text.split(".")
    )


def is_module_file(text: str) -> bool:
    """Whether `text` is a module's file as `summarise` shows it: `shop/card.py`."""
    return (
        len(text) <= MAX_NAME
        and text.endswith(".py")
        and all(part.isidentifier() for part in text.removesuffix(".py").split("/"))
    )


def place_of(frame: FrameType) -> tuple[str, str | None]:
    """The file as its module names it, and the module; `GENERATED` and None for other code."""
    # `dict.get`: the globals may be of a class of the app's.
    name = dict.get(frame.f_globals, "__name__")
    path = frame.f_code.co_filename
    if name == "__main__":
        spec = dict.get(frame.f_globals, "__spec__")
        name = attribute(spec, "name") or name
    if not isinstance(name, str) or len(name) > MAX_LINE:
        return GENERATED, None
    parts = _module_parts(name, path)
    if not parts:
        return GENERATED, None
    module = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
    return "/".join(parts) + ".py", ".".join(module)


def _module_parts(name: str, path: str) -> list[str]:
    """`["shop", "card"]`; empty where `path` is not the file of the module `name`."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return []
    if path == f"<frozen {name}>":
        return parts
    if name == "__main__":
        return [] if path.startswith("<") else parts
    *folders, file = _SEGMENTS.split(path)
    stem, _, ending = file.rpartition(".")
    if ending not in _SOURCES:
        return []
    segments = [*folders, stem]
    if stem == "__init__" and parts[-1] != stem:
        parts = [*parts, stem]
    if segments[-len(parts) :] != parts:
        return []
    # A search path near the root would make the user's name part of the module's.
    hidden = len(parts) - (len(segments) - _length_of_home(segments))
    return parts[max(0, hidden) :] or parts[-1:]


def _length_of_home(segments: list[str]) -> int:
    """How many of a path's first segments may say whose it is: `/`, `/home/me`, `C:/Users/me`."""
    is_absolute = segments[0] == "" or segments[0].endswith(":")
    for index, segment in enumerate(segments[: 3 if is_absolute else 2]):
        if segment.casefold() in _HOMES:
            return index + 2
    return 2 if is_absolute else 0


def class_name_of(module: str, qualified: str) -> str | None:
    """The class that a method is of, or the module that a function is of."""
    scope = qualified.partition(".<locals>")[0].rpartition(".")[0]
    name = f"{module}.{scope}" if scope else module
    return name if is_dotted_name(name) else None


def name_of(kind: type[BaseException]) -> str:
    """The name of an exception's type; of its nearest base that code could have named so."""
    for base in type.__dict__["__mro__"].__get__(kind):
        qualified = type.__dict__["__qualname__"].__get__(base)
        module = type.__dict__["__module__"].__get__(base)
        name = ".".join((*_module_of_type(module), qualified))
        if len(name) <= MAX_LINE and is_dotted_name(name):
            return name
    return "BaseException"


def _module_of_type(name: object) -> list[str]:
    """The module of a type, by its parts; none where it cannot be told from a path."""
    if not isinstance(name, str) or name == "builtins":
        return []
    module = sys.modules.get(name)
    if module is None:
        return []
    path = attribute(module, "__file__")
    if name == "__main__" or not isinstance(path, str):  # built in, or frozen
        return name.split(".")
    if path.rpartition(".")[2] in _SOURCES:
        parts = _module_parts(name, path)
        return parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts
    return name.split(".")[-1:]  # an extension


def attribute(owner: object, name: str) -> Any:  # noqa: ANN401 - anything, as an app may define it
    """The value; None where there is none, or the app's code raises instead."""
    return guarded(lambda: getattr(owner, name, None))


def guarded(read: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `read` gives
    """What `read` gives; None where the app's code raises instead."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - while an error is reported, another one helps nobody
        return None


def is_a(value: object, kind: type) -> bool:
    """As `isinstance`, which asks the value for its class, and that may be code of the app's."""
    return issubclass(type(value), kind)
