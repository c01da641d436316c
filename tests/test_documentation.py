"""The documentation under test: what it lists is complete and right, and what it shows runs."""

from __future__ import annotations

import dataclasses
import enum
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
from tests.support.collector import Collector

import whiteout
from whiteout.cli import application
from whiteout.collector.settings import CollectorSettings, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
PLACEHOLDER = "https://collector.example.com"
CONFIGURATIONS = (
    whiteout.TrackerConfiguration,
    whiteout.NetworkConfiguration,
    whiteout.EmitterConfiguration,
    whiteout.SessionConfiguration,
    whiteout.SubjectConfiguration,
)


def document_id(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def section(document: str, heading: str) -> str:
    """The text below a heading, up to the next of its rank or above."""
    text = (REPOSITORY / document).read_text("utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found is not None, f"{document} has no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """The cells of the tables' rows, without their heads."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]


# --- options in Python -----------------------------------------------------------------------


def shown_default(field: dataclasses.Field[Any]) -> str:
    """A default as the tables write it."""
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return f"`{type(made).__name__}()`" if isinstance(made, Limits) else f"`{made!r}`"
    if field.default is dataclasses.MISSING:
        return "required"
    if isinstance(field.default, enum.Enum):
        return f"`{type(field.default).__name__}.{field.default.name}`"
    if isinstance(field.default, int | float) and not isinstance(field.default, bool):
        return f"`{field.default:_}`"
    return f"`{field.default!r}`"


@pytest.mark.parametrize(
    ("document", "configuration"),
    [
        *(("docs/tracker.md", configuration) for configuration in CONFIGURATIONS),
        ("docs/collector.md", CollectorSettings),
        ("docs/collector.md", Limits),
    ],
)
def test_each_option_stands_in_its_table_with_its_default(
    document: str, configuration: type
) -> None:
    """In the order in which the code has them."""
    documented = [
        (name.strip("`"), default)
        for name, default, *_ in rows(section(document, configuration.__name__))
    ]

    assert documented == [
        (field.name, shown_default(field)) for field in dataclasses.fields(configuration)
    ]


def test_each_kind_of_event_is_listed() -> None:
    events = {
        name
        for name, value in vars(whiteout).items()
        if isinstance(value, type) and issubclass(value, whiteout.Event)
    }

    listed = {row[0].strip("`") for row in rows(section("docs/tracker.md", "Events"))}

    assert listed == events - {"Event"}


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
    return names, "off" if parameter.default is False else f"`{parameter.default}`"


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


# --- links -----------------------------------------------------------------------------------

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def local_links() -> Iterator[tuple[Path, str]]:
    for document in DOCUMENTS:
        for target in LINK.findall(document.read_text("utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                yield document, target


@pytest.mark.parametrize(
    ("document", "target"),
    [pytest.param(*link, id=f"{document_id(link[0])}-{link[1]}") for link in local_links()],
)
def test_a_link_leads_to_a_file_and_heading_that_are_there(document: Path, target: str) -> None:
    place, _, anchor = target.partition("#")
    file = (document.parent / place) if place else document

    assert file.exists()
    assert not anchor or anchor in anchors(file)


def anchors(file: Path) -> set[str]:
    """The ids that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# A path as the documents write it: below the repository, below the package, or a package of it.
PATH = re.compile(r"`((?:[\w.-]+/)*\w+\.(?:py|md))`")


def mentioned_paths() -> Iterator[tuple[Path, str]]:
    for document in DOCUMENTS:
        for path in sorted(set(PATH.findall(document.read_text("utf-8")))):
            yield document, path


@pytest.mark.parametrize(
    ("document", "path"),
    [pytest.param(*one, id=f"{document_id(one[0])}-{one[1]}") for one in mentioned_paths()],
)
def test_a_file_that_is_spoken_of_is_there(document: Path, path: str) -> None:
    package = Path(whiteout.__file__).parent

    bases = (REPOSITORY, package, *(folder for folder in package.iterdir() if folder.is_dir()))

    assert any((base / path).exists() for base in bases)


# --- code ------------------------------------------------------------------------------------


def python_of(document: Path) -> str:
    """All Python blocks of a document as one program, each on the lines where it stands."""
    lines, inside = [], False
    for line in document.read_text("utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside and line == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines)


SHOWN = [document for document in DOCUMENTS if python_of(document).strip()]


@pytest.mark.parametrize("document", SHOWN, ids=document_id)
def test_the_python_of_a_document_runs(document: Path, tmp_path: Path) -> None:
    """From top to bottom, as a reader would type it, with a collector that answers."""
    shown = python_of(document)
    with Collector() as collector:
        program = tmp_path / document.with_suffix(".py").name
        program.write_text(shown.replace(PLACEHOLDER, collector.url), "utf-8")

        result = run_at_home(program, tmp_path)

        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        assert bool(collector.events) == (PLACEHOLDER in shown)


def run_at_home(program: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in an empty home folder: what it stores by default goes there."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(whiteout.__file__).parent.parent),
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "LOCALAPPDATA": str(home / "data"),
    }
    return subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        check=False,
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
