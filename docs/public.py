"""What is public, and what its docstrings say."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from typing import TYPE_CHECKING, Final

import whiteout
import whiteout.testing
from whiteout.collector import asgi as collector_asgi
from whiteout.integrations import asgi, pywebview, wsgi
from whiteout.lake import reader as lake_reader

if TYPE_CHECKING:
    from types import ModuleType

# Of the pipeline, what the pages teach: the module and the names.
OF_PIPELINE: Final = (
    (lake_reader, ("Lake", "Rows", "Position", "QueryError")),
    (collector_asgi, ("create_app",)),
)

INTEGRATIONS: Final = (asgi, wsgi, pywebview)

# What is reached through a tracker: the module, the class, and how an app reaches it.
REACHED: Final = (
    ("whiteout.tracker.tracker", "Tracker", "tracker"),
    ("whiteout.tracker.network_controller", "NetworkController", "tracker.network"),
    ("whiteout.tracker.emitter_controller", "EmitterController", "tracker.emitter"),
    ("whiteout.tracker.controllers", "SessionController", "tracker.session"),
    ("whiteout.tracker.subject", "Subject", "tracker.subject"),
    ("whiteout.tracker.consent", "Consent", "tracker.consent"),
    ("whiteout.tracker.gdpr", "GdprController", "tracker.gdpr"),
    ("whiteout.tracker.plugins", "PluginsController", "tracker.plugins"),
    (
        "whiteout.tracker.global_contexts",
        "GlobalContextsController",
        "tracker.global_contexts",
    ),
)

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|Source):[ ]*(.*)$")
_ENTRY = re.compile(r"^ {4}(\*{0,2}\w+)(?: \([^)]*\))?: (.*)$")

# Public only to the tracker's own parts.
_INSIDE = {
    "Consent.floor",
    "Consent.forget",
    "Consent.lock",
    "Consent.permitting",
    "Consent.record",
    "Consent.take_up",
    "Subject.belong_to",
    "Subject.close",
    "Subject.geolocation",
    "Subject.parameters",
    "RemoteSetup.after_fork",
    "RemoteSetup.demanded",
    "RemoteSetup.is_closed",
    "RemoteSetup.note_live",
    "RemoteSetup.start",
}


def public_names(module: ModuleType = whiteout) -> list[str]:
    """What a module exports, what is loaded when asked for included.

    A package exports what is of Whiteout; of an integration's module it is what is made there.
    """
    is_package = hasattr(module, "__path__")
    return [
        name
        for name in dir(module)
        if not name.startswith("_")
        and (
            (home := getattr(getattr(module, name), "__module__", "")) == module.__name__
            or (is_package and home.startswith("whiteout."))
        )
    ]


def reached(place: str) -> type:
    """The class of what is reached as `tracker.session`, say."""
    module, owner = next((module, owner) for module, owner, at in REACHED if at == place)
    found: type = getattr(importlib.import_module(module), owner)
    return found


def is_settable(member: object) -> bool:
    """Whether a member of a class can be assigned to."""
    if isinstance(member, property):
        return member.fset is not None
    return hasattr(type(member), "__set__") and not inspect.ismemberdescriptor(member)


def sections_of(documented: object) -> dict[str, list[str]]:
    """The parts of a Google-style docstring: its text under an empty name, then by heading."""
    parts: dict[str, list[str]] = {"": []}
    current = parts[""]
    for line in (inspect.getdoc(documented) or "").splitlines():
        if found := _SECTION.match(line):
            current = parts.setdefault(found[1], [])
            if found[2]:
                current.append("    " + found[2])
        elif line and not line.startswith(" ") and current is not parts[""]:
            current = parts[""]
            current += ["", line]
        else:
            current.append(line)
    return parts


def entries_of(lines: list[str]) -> dict[str, str]:
    """The entries of a section, name to text, each on one line."""
    entries: dict[str, str] = {}
    name = ""
    for line in lines:
        if found := _ENTRY.match(line):
            name = found[1]
            entries[name] = found[2].strip()
        elif line.strip() and name:
            entries[name] += " " + line.strip()
    return entries


def docstring_of(documented: object) -> str:
    """The docstring, its indentation removed; empty: there is none."""
    if isinstance(documented, classmethod | staticmethod):
        documented = documented.__func__
    return inspect.getdoc(documented) or ""


def is_for_apps(owner: str, name: str) -> bool:
    """Whether apps use this member: `self_describing` is what the tracker asks an event for."""
    is_asked_by_tracker = name in {"self_describing", "parameters"} and owner != "Event"
    return not (name.startswith("_") or f"{owner}.{name}" in _INSIDE or is_asked_by_tracker)


def takes_arguments(member: object) -> bool:
    """Whether a member is a function, and has arguments to tell of."""
    return bool(argument_names(member))


def argument_names(member: object) -> list[str]:
    """The names of a function's arguments, `self` and the like left out; empty for others."""
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    if not inspect.isfunction(member):
        return []
    names = inspect.signature(member).parameters
    return [name for name in names if name not in {"self", "cls"}]


def field_names(class_: object) -> list[str]:
    """The public fields of a dataclass; empty for anything else."""
    if not (inspect.isclass(class_) and dataclasses.is_dataclass(class_)):
        return []
    return [one.name for one in dataclasses.fields(class_) if not one.name.startswith("_")]
