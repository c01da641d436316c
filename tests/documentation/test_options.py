"""The documentation lists each option, event and command there is, as the code has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
from docs import public
from docs.public import INTEGRATIONS, OF_PIPELINE, REACHED, public_names, reached
from docs.reference_pages import pages
from docs.tables import member_names, tables_of, with_options
from tests.support.pages import PAGES, REPOSITORY, page_id
from tests.support.sections import rows, section

import whiteout
import whiteout.testing
from whiteout.cli import application
from whiteout.tracker.remote.options import KINDS, OFFICIAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


# --- options in Python -----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_tables_of_options_are_as_the_code_has_them(page: Path) -> None:
    """Names, types, defaults, live places. `make docs` brings them up to date."""
    text = page.read_text("utf-8")

    assert with_options(text) == text, "run: make docs"


@pytest.mark.parametrize(
    "name", [name for name in public_names() if name.endswith("Configuration")]
)
def test_each_configuration_has_its_table(name: str) -> None:
    page = REPOSITORY / "docs/tracker/configuration.md"

    assert f"<!-- options: {name} -->" in page.read_text("utf-8")


def test_each_native_option_that_there_is_none_of_has_what_stands_for_it() -> None:
    table = rows(
        section(
            "docs/tracker/configuration.md", "What the native trackers have and this one has not"
        )
    )
    named = {name for row in table for name in re.findall(r"`(\w+)`", row[0])}
    ours = {key for kind in KINDS.values() for key in map(_camel, kind.__dataclass_fields__)}

    assert named == OFFICIAL - ours


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_each_option_in_a_table_has_a_meaning(page: Path) -> None:
    for table in tables_of(page.read_text("utf-8")):
        assert all(row[-1] for row in rows(table))


def test_a_default_that_changed_is_noticed_and_its_meaning_kept() -> None:
    """The check itself can fail."""
    stale = (
        "<!-- options: SessionConfiguration -->\n\n| `foreground_timeout` | `float` | `60` |  "
        "| seconds of mine |\n\n<!-- /options -->"
    )

    mended = with_options(stale)

    assert "| `foreground_timeout` | `float` | `1_800` |" in mended
    assert "| seconds of mine |" in mended
    assert "| `background_timeout` |" in mended


def test_each_kind_of_event_is_listed() -> None:
    events = {
        name
        for name in public_names()
        if isinstance(value := getattr(whiteout, name), type) and issubclass(value, whiteout.Event)
    }

    listed = {row[0].strip("`") for row in rows(section("docs/tracker/events.md", "Events"))}

    assert listed == events - {"Event"}


def test_each_example_is_listed() -> None:
    examples = {f"examples/{path.name}" for path in REPOSITORY.glob("examples/*.py")}
    examples |= {"examples/features", "examples/node_shop"}

    listed = {row[0].strip("`") for row in rows(section("docs/index.md", "Programs to read"))}

    assert listed == examples


# --- docstrings ------------------------------------------------------------------------------


MODULES = {
    "reference/whiteout.md": (whiteout,),
    "reference/testing.md": (whiteout.testing,),
    "reference/integrations.md": INTEGRATIONS,
}


def exported() -> Iterator[tuple[str, ModuleType, str]]:
    """The page of the reference, the module and the name of all that apps can import."""
    for page, modules in MODULES.items():
        for module in modules:
            for name in public_names(module):
                yield page, module, name
    for module, names in OF_PIPELINE:
        for name in names:
            yield "reference/pipeline.md", module, name


def test_each_public_name_stands_in_the_reference() -> None:
    written = pages()

    missing = [
        f"{module.__name__}.{name}"
        for page, module, name in exported()
        if f"# {name} {{ #{name} }}\n" not in written[page]
    ]

    assert missing == []


def classes() -> Iterator[tuple[str, type]]:
    """Public classes, and those that are reached through a tracker."""
    for _, module, name in exported():
        if isinstance(value := getattr(module, name), type):
            yield f"{module.__name__}.{name}", value
    for _, _, place in REACHED[1:]:
        yield place, reached(place)


def callables() -> list[Any]:
    """Public functions, and methods of public classes, that take arguments."""
    found = [(f"{module.__name__}.{name}", getattr(module, name)) for _, module, name in exported()]
    for name, class_ in classes():
        found += [
            (f"{name}.{member_name}", member)
            for member_name, member in vars(class_).items()
            if public.is_for_apps(class_.__name__, member_name)
        ]
    return [pytest.param(one, id=name) for name, one in found if public.takes_arguments(one)]


@pytest.mark.parametrize("member", callables())
def test_a_docstring_names_each_argument(member: Any) -> None:  # noqa: ANN401 - a callable
    """In its section `Args`, or in its text. Of a single one the whole text may speak."""
    text = public.docstring_of(member)
    names = public.argument_names(member)

    missing = [name for name in names if not re.search(rf"\b{name}\b", text)]

    assert text
    assert missing == [] or len(names) == 1


@pytest.mark.parametrize("class_", [pytest.param(one, id=name) for name, one in classes()])
def test_a_class_and_what_it_gives_have_a_docstring(class_: type) -> None:
    silent = [
        name
        for name, member in vars(class_).items()
        if public.is_for_apps(class_.__name__, name)
        and (isinstance(member, property) or callable(member))
        and not public.docstring_of(member)
    ]

    assert public.docstring_of(class_)
    assert silent == []


@pytest.mark.parametrize(
    "class_", [pytest.param(one, id=name) for name, one in classes() if public.field_names(one)]
)
def test_the_docstring_of_a_dataclass_names_each_field(class_: type) -> None:
    """Its own or, for what an event inherits, the one of `Event`."""
    text = "\n".join(public.docstring_of(one) for one in class_.__mro__[:-1])

    missing = [
        field
        for field in public.field_names(class_)
        if not re.search(rf"^ *`?{field}`?:|`{field}`", text, re.MULTILINE)
    ]

    assert missing == []


# --- controllers -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", [place for _, _, place in REACHED])
def test_each_controller_has_its_table(place: str) -> None:
    page = REPOSITORY / "docs/tracker/controllers.md"

    assert member_names(place)
    assert f"<!-- members: {place} -->" in page.read_text("utf-8")


def test_each_controller_of_a_tracker_is_known() -> None:
    """What a tracker gives that is neither a value nor public itself."""
    given = {
        name
        for name, member in vars(whiteout.Tracker).items()
        if isinstance(member, property)
        and re.search(r"Controller|Subject|Consent\b", annotated(member))
    }

    assert {f"tracker.{name}" for name in given} == {place for _, _, place in REACHED[1:]}


def annotated(member: property) -> str:
    """What a property gives, as its source says."""
    return str(member.fget.__annotations__["return"])


# --- options of the command line -------------------------------------------------------------

COMMANDS = cast("typer.core.TyperGroup", typer.main.get_command(application())).commands


def shown_option(parameter: Any) -> tuple[str, str]:  # noqa: ANN401 - typer's, which it hides
    """An option's names and default as the tables write them."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`", "required" if parameter.required else ""
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    if parameter.required:
        return names, "required"
    if parameter.default is None:
        return names, ""
    if isinstance(parameter.default, bool):
        return names, "on" if parameter.default else "off"
    return names, f"`{parameter.default}`"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_of_a_command_stands_in_its_table(command: str) -> None:
    """With its default, in the order in which the help has them; hidden ones do not."""
    parameters: list[Any] = list(COMMANDS[command].params)
    documented = [
        (names, default)
        for names, default, _ in rows(section("docs/command-line.md", f"whiteout {command}"))
    ]

    shown = [shown_option(one) for one in parameters if not getattr(one, "hidden", False)]

    assert documented == shown


def test_each_documented_command_is_there() -> None:
    text = (REPOSITORY / "docs/command-line.md").read_text("utf-8")

    assert set(re.findall(r"^## whiteout (\w+)$", text, re.MULTILINE)) == set(COMMANDS)
