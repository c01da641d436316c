"""Write what the documentation takes from the code.

    python docs/generate.py            # both of the following
    python docs/generate.py --check    # exit status 1 where something would change

Tables of options, in pages with `<!-- options: NAME -->`: name, type, default and the place where
an option can be changed live come from the code. The meaning is the page's own; a new option starts
with the one of its docstring. And `reference.md`, from the docstrings of all public names; it is
made for the site and not kept under version control.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import whiteout

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference.md"
_MARKED = re.compile(r"<!-- options: (\S+) -->\n(.*?)<!-- /options -->", re.DOTALL)
_ROW = re.compile(r"^\| `(\w+)` \|.*\| ((?:[^|]|\\\|)*) \|$", re.MULTILINE)
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|Source):[ ]*(.*)$")
_ENTRY = re.compile(r"^ {4}(\*{0,2}\w+)(?: \([^)]*\))?: (.*)$")

# Where a live value of a configuration is set: the class, and how an app reaches it.
_LIVE = (
    ("whiteout.tracker.tracker", "Tracker", "tracker"),
    ("whiteout.tracker.network_controller", "NetworkController", "tracker.network"),
    ("whiteout.tracker.emitter_controller", "EmitterController", "tracker.emitter"),
    ("whiteout.tracker.controllers", "SessionController", "tracker.session"),
    ("whiteout.tracker.subject", "Subject", "tracker.subject"),
    ("whiteout.tracker.consent", "Consent", "tracker.consent"),
    ("whiteout.tracker.gdpr", "GdprController", "tracker.gdpr"),
)
_OWNERS = {
    "TrackerConfiguration": ("Tracker",),
    "NetworkConfiguration": ("NetworkController",),
    "EmitterConfiguration": ("EmitterController", "Tracker"),
    "SessionConfiguration": ("SessionController",),
    "SubjectConfiguration": ("Subject",),
    "GdprConfiguration": ("GdprController",),
}

# Public only to the tracker's own parts.
_INSIDE = {
    "Consent.floor",
    "Consent.forget",
    "Consent.permitting",
    "Consent.record",
    "Consent.take_up",
    "Tracker.begin",
    "Tracker.after_fork",
    "Tracker.before_fork",
    "Tracker.change_level",
    "Tracker.is_sending",
    "Tracker.pauses",
    "Tracker.remove_waiting_events",
    "Tracker.decided",
    "Tracker.decided_profile",
    "Tracker.minimum",
    "Tracker.owner_of",
    "Tracker.set_minimum",
    "Tracker.watch",
    "Subject.belong_to",
    "RemoteSetup.after_fork",
    "RemoteSetup.demanded",
    "RemoteSetup.is_closed",
    "RemoteSetup.note_live",
    "RemoteSetup.start",
    "Tracker.set_sending",
    "Tracker.waiting_events",
}


# --- docstrings ------------------------------------------------------------------------------


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


# --- tables of options -----------------------------------------------------------------------


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
    owners = _OWNERS.get(configuration.__name__, ())
    for module, owner, place in _LIVE:
        member = inspect.getattr_static(getattr(importlib.import_module(module), owner), name, None)
        if owner in owners and member is not None and is_settable(member):
            return f"`{place}.{name}`"
    return ""


def is_settable(member: object) -> bool:
    """Whether a member of a class can be assigned to."""
    if isinstance(member, property):
        return member.fset is not None
    return hasattr(type(member), "__set__")


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
    has_live = configuration.__name__ in _OWNERS
    lines = ["| option | type | default |" + (" live |" if has_live else "") + " meaning |"]
    lines.append("| --- " * (5 if has_live else 4) + "|")
    for field in dataclasses.fields(configuration):
        cells = [f"`{field.name}`", shown_type(field), shown_default(field)]
        if has_live:
            cells.append(live_place(configuration, field.name))
        cells.append(kept.get(field.name) or meanings.get(field.name, "").replace("|", "\\|"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def tables_of(text: str) -> list[str]:
    """The tables of options of a page."""
    return [found[2] for found in _MARKED.finditer(text)]


def with_options(text: str) -> str:
    """A page with its tables of options as the code has them now."""
    return _MARKED.sub(
        lambda found: (
            f"<!-- options: {found[1]} -->\n\n{options_table(found[1], found[2])}\n"
            "<!-- /options -->"
        ),
        text,
    )


# --- the reference ---------------------------------------------------------------------------

_GROUPS = (
    ("Trackers", ("whiteout.tracker.instances", "whiteout.tracker.tracker")),
    ("Configuration", ("whiteout.tracker.configuration", "whiteout.tracker.platform")),
    ("Anonymity", ("whiteout.identifiers", "whiteout.strict", "whiteout.anonymisation")),
    ("Events and entities", ("whiteout.events", "whiteout.protocol")),
    ("A sender of your own", ("whiteout.tracker.network",)),
    ("Errors", ("whiteout.errors",)),
)
_REST = "More of the tracker"


def public_names() -> list[str]:
    """What `whiteout` exports, what is loaded when asked for included."""
    return [
        name
        for name in dir(whiteout)
        if not name.startswith("_")
        and getattr(getattr(whiteout, name), "__module__", "").startswith("whiteout.")
    ]


def group_of(name: str) -> str:
    """The chapter of the reference that a name belongs to."""
    module = getattr(whiteout, name).__module__
    for group, prefixes in _GROUPS:
        if any(
            module == prefix or module.startswith((f"{prefix}.", f"{prefix}_"))
            for prefix in prefixes
        ):
            return group
    return _REST


def reference() -> str:
    """The page `reference.md`."""
    lines = ["# API reference", "", "All names are in `whiteout`. Made from the docstrings.", ""]
    grouped: dict[str, list[str]] = {}
    for name in public_names():
        grouped.setdefault(group_of(name), []).append(name)
    for group in (*(group for group, _ in _GROUPS), _REST):
        if group in grouped:
            lines += [f"## {group}", ""]
            for name in grouped[group]:
                lines += described(name, getattr(whiteout, name))
    lines += ["## Reached through a tracker", ""]
    for module, owner, place in _LIVE:
        if not hasattr(whiteout, owner):
            lines += [f"### {owner} {{ #{owner} }}", "", f"`{place}`", ""]
            lines += described(owner, getattr(importlib.import_module(module), owner))[2:]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def described(name: str, value: Any) -> list[str]:  # noqa: ANN401 - a class or function
    """The lines of one public name."""
    lines = [f"### {name} {{ #{name} }}", ""]
    if not inspect.isclass(value):
        return [*lines, *signature_block(name, value), *text_of(value)]
    if dataclasses.is_dataclass(value):
        lines += signature_block(name, value)
    elif issubclass(value, BaseException):
        lines += [f"An error; a kind of `{value.__mro__[1].__name__}`.", ""]
    lines += text_of(value)
    if issubclass(value, enum.Enum):
        lines += [f"- `{name}.{member.name}`: `{member.value!r}`" for member in value] + [""]
    for member_name, member in vars(value).items():
        lines += member_lines(name, member_name, member)
    return lines


def member_lines(owner: str, name: str, member: object) -> list[str]:
    """The lines of a method or a property; none for what is private or has no docstring."""
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    is_property = isinstance(member, property)
    if not is_for_apps(owner, name) or not (is_property or inspect.isfunction(member)):
        return []
    lines = [f"#### {owner}.{name} {{ #{owner}.{name} }}", ""]
    if isinstance(member, property):
        returned = inspect.get_annotations(member.fget).get("return", "Any") if member.fget else ""
        access = "read and set" if member.fset else "read only"
        return [*lines, f"`{returned}`, {access}.", "", *text_of(member)]
    return [*lines, *signature_block(name, member), *text_of(member)]


def signature_block(name: str, value: Any) -> list[str]:  # noqa: ANN401 - a class or function
    """How something is called, as code, one parameter a line where one line is too long."""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return []
    if inspect.isclass(value):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    signature = signature.replace(parameters=parameters)
    text = f"{name}{quoted_annotations(signature)}"
    return ["```python", text, "```", ""]


def quoted_annotations(signature: inspect.Signature) -> str:
    """A signature's text, its annotations as they stand in the source."""
    text = re.sub(r"'([^']*)'(?=[,)=\s]|$)", r"\1", str(signature))
    text = re.sub(r"<(\w+\.\w+): [^>]*>", r"\1", text)  # members of enumerations
    if len(text) <= 70:  # noqa: PLR2004 - arbitrary: fits beside the navigation
        return text
    inner, _, returned = text[1:].rpartition(")")
    parts = re.split(r", (?=\*?\*?\w+(?::| =|=|,|$)|\*,|/,)", inner)
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f"){returned}"


def text_of(documented: object) -> list[str]:
    """A docstring as Markdown: its text, then its sections as lists."""
    parts = sections_of(documented)
    lines = [*as_code(parts.pop("")), ""]
    for heading, content in parts.items():
        entries = entries_of(content) if heading in {"Args", "Attributes", "Raises"} else {}
        lines += [f"**{heading}**", ""]
        if entries:
            lines += [f"- `{name}`: {text}" for name, text in entries.items()]
        else:
            lines += [line.strip() for line in content]
        lines.append("")
    return lines


def as_code(lines: list[str]) -> list[str]:
    """Indented examples behind `::` as fenced code."""
    shown: list[str] = []
    inside = False
    for line in lines:
        if inside and line and not line.startswith("    "):
            shown += ["```", ""]
            inside = False
        if line.rstrip().endswith("::"):
            shown += [line.rstrip()[:-1] if line.strip() != "::" else "", "", "```python"]
            inside = True
        else:
            shown.append(line[4:] if inside else line)
    return [*shown, "```"] if inside else shown


def main() -> int:
    """Write, or tell what would be written."""
    is_check = "--check" in sys.argv[1:]
    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        if with_options(text) != text:
            stale.append(page)
            if not is_check:
                page.write_text(with_options(text), "utf-8")
    if not is_check:
        REFERENCE.write_text(reference(), "utf-8")
    for page in stale:
        print(f"{page.relative_to(DOCS.parent)}: {'is not' if is_check else 'is now'} up to date")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
