"""Tables in pages that are made from the code."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
from typing import Any

from docs.public import (
    REACHED,
    docstring_of,
    entries_of,
    is_for_apps,
    is_settable,
    reached,
    sections_of,
)

import whiteout

_MARKED = re.compile(r"<!-- (options|members): (\S+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
_ROW = re.compile(r"^\| `(\w+)` \|.*\| ((?:[^|]|\\\|)*) \|$", re.MULTILINE)

OWNERS = {
    "TrackerConfiguration": ("Tracker",),
    "NetworkConfiguration": ("NetworkController",),
    "EmitterConfiguration": ("EmitterController", "Tracker"),
    "SessionConfiguration": ("SessionController",),
    "SubjectConfiguration": ("Subject",),
    "GdprConfiguration": ("GdprController",),
}


def find(path: str) -> Any:  # noqa: ANN401 - whatever stands there
    """A public name of `whiteout`, or a dotted path to one of another module."""
    if "." not in path:
        return getattr(whiteout, path)
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def shown_default(field: dataclasses.Field[Any]) -> str:
    """A default as the tables write it."""
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        plain = isinstance(made, (dict, list, tuple, set, frozenset))
        return f"`{made!r}`" if plain else f"`{type(made).__name__}()`"
    if field.default is dataclasses.MISSING:
        return "required"
    if isinstance(field.default, enum.Enum):
        return f"`{type(field.default).__name__}.{field.default.name}`"
    if isinstance(field.default, int | float) and not isinstance(field.default, bool):
        return f"`{field.default:_}`"
    return f"`{field.default!r}`"


def shown_type(field: dataclasses.Field[Any]) -> str:
    """An annotation as the tables write it: without the modules' names."""
    text = field.type if isinstance(field.type, str) else field.type.__name__
    return f"`{text}`".replace("|", "\\|")


def live_place(configuration: type, name: str) -> str:
    """Where the app can change an option while the tracker runs; empty: nowhere."""
    owners = OWNERS.get(configuration.__name__, ())
    for module, owner, place in REACHED:
        member = inspect.getattr_static(getattr(importlib.import_module(module), owner), name, None)
        if owner in owners and member is not None and is_settable(member):
            return f"`{place}.{name}`"
    return ""


def options_table(path: str, before: str) -> str:
    """The table of a configuration's options.

    Args:
        path: a name of `whiteout`, or a dotted path.
        before: the table as it stands, whose meanings are kept.
    """
    configuration = find(path)
    documented = sections_of(configuration)
    meanings = entries_of(documented.get("Attributes", documented.get("Args", [])))
    kept = {found[1]: found[2] for found in _ROW.finditer(before)}
    has_live = configuration.__name__ in OWNERS
    lines = ["| option | type | default |" + (" live |" if has_live else "") + " meaning |"]
    lines.append("| --- " * (5 if has_live else 4) + "|")
    for field in dataclasses.fields(configuration):
        cells = [f"`{field.name}`", shown_type(field), shown_default(field)]
        if has_live:
            cells.append(live_place(configuration, field.name))
        cells.append(kept.get(field.name) or meanings.get(field.name, "").replace("|", "\\|"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def members_table(place: str) -> str:
    """The table of what is reached at a place such as `tracker.session`; no options."""
    lines = ["| member | meaning |", "| --- | --- |"]
    for name in member_names(place):
        member = inspect.getattr_static(reached(place), name)
        shown = f"{place}.{name}" + ("()" if inspect.isfunction(member) else "")
        lines.append(f"| `{shown}` | {first_sentence(member)} |")
    return "\n".join(lines) + "\n"


def member_names(place: str) -> list[str]:
    """What is reached through a tracker, inherited members included; no options."""
    class_ = reached(place)
    owned = {configuration for configuration, owners in OWNERS.items() if class_.__name__ in owners}
    options = {field.name for one in owned for field in dataclasses.fields(find(one))}
    return [
        name
        for name in dir(class_)
        if name not in options and is_for_apps(class_.__name__, name) and not hasattr(object, name)
    ]


def first_sentence(member: object) -> str:
    """The first line of its docstring, as a cell."""
    text = docstring_of(member).partition("\n")[0]
    return (text[:1].lower() + text[1:]).rstrip(".").replace("|", "\\|")


def tables_of(text: str) -> list[str]:
    """The tables of options and members of a page."""
    return [found[3] for found in _MARKED.finditer(text)]


def with_options(text: str) -> str:
    """A page with its tables as the code has them now."""

    def made(found: re.Match[str]) -> str:
        kind, name, before = found.groups()
        table = options_table(name, before) if kind == "options" else members_table(name)
        return f"<!-- {kind}: {name} -->\n\n{table}\n<!-- /{kind} -->"

    return _MARKED.sub(made, text)
