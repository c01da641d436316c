"""The API reference, from the docstrings of all public names."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from typing import Any

from docs.pictures import page_of
from docs.public import (
    INTEGRATIONS,
    OF_PIPELINE,
    REACHED,
    entries_of,
    is_for_apps,
    is_settable,
    public_names,
    reached,
    sections_of,
)

import whiteout
import whiteout.testing

_GROUPS = (
    ("Trackers", ("whiteout.tracker.instances", "whiteout.tracker.tracker")),
    ("Configuration", ("whiteout.tracker.configuration", "whiteout.tracker.platform")),
    ("Anonymity", ("whiteout.identifiers", "whiteout.strict", "whiteout.anonymisation")),
    ("Events and entities", ("whiteout.events", "whiteout.protocol")),
    ("A sender of your own", ("whiteout.tracker.network",)),
    ("Errors", ("whiteout.errors",)),
)
_REST = "More of the tracker"


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


def pages() -> dict[str, str]:
    """The pages of the reference, by their names within `docs`."""
    return {
        "reference/whiteout.md": of_whiteout(),
        "reference/controllers.md": of_controllers(),
        "reference/testing.md": of_testing(),
        "reference/integrations.md": of_integrations(),
        "reference/pipeline.md": of_pipeline(),
        "reference/pictures.md": page_of(()),  # docs/screenshots.py makes one with pictures
    }


def of_whiteout() -> str:
    """All of `whiteout`, by topic."""
    lines = [
        "# whiteout",
        "",
        "What `import whiteout` gives, by topic. Made from the docstrings.",
        "",
    ]
    grouped: dict[str, list[str]] = {}
    for name in public_names():
        grouped.setdefault(group_of(name), []).append(name)
    for group in (*(group for group, _ in _GROUPS), _REST):
        if group in grouped:
            lines += [f"## {group}", ""]
            for name in grouped[group]:
                lines += described(name, getattr(whiteout, name))
    return joined(lines)


_OF_CONTROLLERS = "What is reached through a tracker; `whiteout.controllers` has the types."


def of_controllers() -> str:
    """What is reached through a tracker."""
    lines = ["# Controllers", "", _OF_CONTROLLERS, ""]
    for _, owner, place in REACHED:
        if not hasattr(whiteout, owner):
            lines += [f"## {place} {{ #{owner} }}", ""]
            lines += described(owner, reached(place))[2:]
    return joined(lines)


def of_testing() -> str:
    """All of `whiteout.testing`."""
    module = whiteout.testing
    lines = ["# whiteout.testing", ""]
    lines += ["For the tests of apps: [Testing](../testing.md) shows it at work.", ""]
    for name in public_names(module):
        lines += described(name, getattr(module, name), rank="##")
    return joined(lines)


def of_integrations() -> str:
    """The modules of `whiteout.integrations`."""
    lines = ["# whiteout.integrations", ""]
    lines += ["Bindings to servers and web views. Each is a module to import by its name.", ""]
    for module in INTEGRATIONS:
        lines += [f"## {module.__name__} {{ #{module.__name__} }}", "", *text_of(module)]
        for name in public_names(module):
            lines += described(name, getattr(module, name))
    return joined(lines)


def of_pipeline() -> str:
    """What programs of one's own use of the pipeline."""
    lines = ["# The pipeline", "", "For programs of your own; the extra `pipeline` brings it.", ""]
    for module, names in OF_PIPELINE:
        lines += [f"## {module.__name__} {{ #{module.__name__} }}", "", *text_of(module)]
        for name in names:
            lines += described(name, getattr(module, name))
    return joined(lines)


def joined(lines: list[str]) -> str:
    """A page of these lines."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def described(name: str, value: Any, rank: str = "###") -> list[str]:  # noqa: ANN401 - a class or function
    """The lines of one public name; `rank` is that of its heading."""
    lines = [f"{rank} {name} {{ #{name} }}", ""]
    if not inspect.isclass(value):
        return [*lines, *signature_block(name, value), *text_of(value)]
    if dataclasses.is_dataclass(value) or "Args" in sections_of(value):
        lines += signature_block(name, value)
    lines += [*kind_lines(value), *text_of(value)]
    if issubclass(value, enum.Enum):
        lines += [f"- `{name}.{member.name}`: `{member.value!r}`" for member in value] + [""]
    for member_name, member in vars(value).items():
        lines += member_lines(name, member_name, member)
    return lines


def kind_lines(value: type) -> list[str]:
    """What a class is a kind of, where that is an error or public too."""
    base = value.__mro__[1]
    if issubclass(value, BaseException):
        return [f"An error; a kind of `{base.__name__}`.", ""]
    if any(getattr(one, base.__name__, None) is base for one in (whiteout, whiteout.testing)):
        return [f"A kind of [`{base.__name__}`](#{base.__name__}), with all that it has.", ""]
    return []


def member_lines(owner: str, name: str, member: object) -> list[str]:
    """The lines of a method or a property; none for what is private or has no docstring."""
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    is_value = isinstance(member, property) or is_settable(member)
    if not is_for_apps(owner, name) or not (is_value or inspect.isfunction(member)):
        return []
    lines = [f"#### {owner}.{name} {{ #{owner}.{name} }}", ""]
    if isinstance(member, property):
        returned = inspect.get_annotations(member.fget).get("return", "Any") if member.fget else ""
        access = "read and set" if member.fset else "read only"
        return [*lines, f"`{returned}`, {access}.", "", *text_of(member)]
    if is_value:
        return [*lines, f"Read and set: as of `{owner}Configuration`.", ""]
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
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature))
    text = re.sub(r"<(\w+\.\w+): [^>]*>", r"\1", text)  # members of enumerations
    text = re.sub(r"<function ([\w.]*?)\.?(?:<lambda>)? at 0x\w+>", r"\1", text)
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
