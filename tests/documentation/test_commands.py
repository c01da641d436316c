"""Commands that the documentation shows: all are there with their options, and what can runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
import urllib.request
from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
import yaml
from tests.support.pages import PAGES, REPOSITORY, WRITTEN, Block, blocks_of, page_id
from tests.support.pipeline import Pipeline, self_describing
from tests.support.trackers import poll

from whiteout.cli import application, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = re.compile(r"(?:http://)?(?:127\.0\.0\.1|localhost):9090")


def shown(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page_id(page)}:{block.line}")
        for page in PAGES
        for block in blocks_of(page)
        if block.language == language
    ]


SHELL = shown("sh")

_WrongUse: type[Exception] = typer.BadParameter.__mro__[1]  # typer does not export UsageError
COMMANDS = cast("typer.core.TyperGroup", typer.main.get_command(application())).commands
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
TARGETS = set(
    re.findall(r"^(\w[\w-]*):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
)


def check_whiteout(words: list[str]) -> None:
    """The arguments parse as the command line would parse them."""
    assert words[0] in COMMANDS
    try:
        COMMANDS[words[0]].make_context(words[0], words[1:])
    except _WrongUse as error:
        raise AssertionError(str(error)) from error


def check_make(words: list[str]) -> None:
    targets = {word for word in words if "=" not in word}
    assert targets
    assert targets <= TARGETS


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    requirement = words[-1]
    assert requirement.startswith(".")
    extras = re.findall(r"[\w-]+", requirement)
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def check_python(words: list[str]) -> None:
    script = next(word for word in words if not word.startswith("-"))
    assert script in WRITTEN or (REPOSITORY / script).is_file()


def check_python3(words: list[str]) -> None:
    """It only makes environments here."""
    assert words[:2] == ["-m", "venv"]


def check_docker(words: list[str]) -> None:
    """Services are those of compose.yaml, and what is run in them is ours."""
    if words[0] == "run":
        return
    assert words[0] == "compose"
    services = yaml.safe_load((REPOSITORY / "compose.yaml").read_text("utf-8"))["services"]
    if words[1] == "exec":
        assert words[2] in services
        check_line(words[3:])


def check_elsewhere(words: list[str]) -> None:
    """Programs that are not ours, with nothing of ours to check."""


CHECKS = {
    "whiteout": check_whiteout,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "python3": check_python3,
    ".": check_elsewhere,
    "docker": check_docker,
    "curl": check_elsewhere,
    ".ci/run": check_elsewhere,
    "gunicorn": check_elsewhere,
    "uvicorn": check_elsewhere,
}


def check_line(words: list[str]) -> None:
    """One command, or several with `&&`; words before it that set variables are passed over.

    `&` at its end lets it run beside the next.
    """
    words = words[:-1] if words[-1] == "&" else words
    if "&&" in words:
        place = words.index("&&")
        check_line(words[:place])
        words = words[place + 1 :]
    while "=" in words[0]:
        words = words[1:]
    assert words[0] in CHECKS, f"{words[0]!r} is not known here"
    CHECKS[words[0]](words[1:])


@pytest.mark.parametrize("block", SHELL)
def test_shell_that_is_shown_uses_commands_and_options_that_are_there(block: Block) -> None:
    """Its comments and quotes are the shell's."""
    for words in commands_of(block.source):
        check_line(words)


def commands_of(source: str) -> Iterator[list[str]]:
    """The commands of a block, one a line; a quoted argument may go over several."""
    command = ""
    for line in source.splitlines():
        command += line + "\n"
        try:
            words = shlex.split(command, comments=True)
        except ValueError:  # a quotation that is not closed yet
            continue
        command = ""
        if words:
            yield words
    assert not command


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_extras_that_a_text_names_are_installed_from_the_checkout(page: Path) -> None:
    """No index has Whiteout yet: what is named without the dot is not found, or somebody else's."""
    for command in re.findall(
        r"`pip install ([^`]*whiteout[^`]*|[^`]*\.\[[^`]*)`", page.read_text("utf-8")
    ):
        check_pip(shlex.split(f"install {command}"))


@pytest.mark.parametrize(
    "line",
    ["whiteout query", "whiteout up --nothing", "make nothing", "pip install '.[none]'", "rm x"],
)
def test_shell_that_would_not_work_is_noticed(line: str) -> None:
    """The check itself can fail."""
    with pytest.raises(AssertionError):
        check_line(shlex.split(line))


def source_of(shown: Any) -> str:  # noqa: ANN401 - pytest exports no type of its parameters
    source: str = shown.values[0].source
    return source


# --- those that run --------------------------------------------------------------------------

# Why others only have their options checked, by their command or an option of theirs.
ONLY_CHECKED = {
    "--follow": "goes on until it is stopped: tests/cli stops it",
    "up": "the same; one runs beside these tests",
    "collector": "the same",
    "enrich": "the same",
    "loader": "the same",
    "page": "the same",
    "demo": "makes a pipeline of its own: .ci/run runs it",
    "--lake": "needs an object store: tests/lake has one",
    "--postgres": "needs a database: tests/lake has one",
    "completion": "changes the shell that asks",
}
READS = {"events", "query", "settings", "doctor", "recover", "erase", "load"}
CHANGES = {"recover", "erase"}  # needs a pipeline that is stopped, or asks first: tests/lake


def runs(words: list[str]) -> bool:
    """Whether a command of a page is run here."""
    command = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    if command[0] == "curl":
        return any(LOCAL.search(word) for word in command)
    if command[0] != "whiteout":
        return False
    options = {word for word in command if word.startswith("-")}
    if {command[1], *options} & ONLY_CHECKED.keys():
        return False
    assert command[1] in READS, f"{command[1]} must run, or have its reason"
    return command[1] not in CHANGES or "--dry-run" in command


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One that has stored a good event and a failed one."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "schemas").mkdir()
    screen = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
    good = {"name": "Checkout", "id": "cf4a0a4b-4b8f-4f8c-8d7a-2f4f4b9d3c11"}
    with Pipeline(folder / "whiteout-data", "--incomplete") as running:
        running.send(self_describing(screen, good), self_describing(screen, {"name": 5}))
        lake = folder / "whiteout-data" / "lake"
        assert poll(lambda: all((lake / name).is_dir() for name in TABLES), 30)
        yield running


TABLES = ("events", "failed_events", "incomplete_events")


@pytest.mark.parametrize(
    "block", [one for one in SHELL if any(map(runs, commands_of(source_of(one))))]
)
def test_shell_that_is_shown_runs(
    block: Block, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the reader would stand, with the pipeline that the page has started."""
    monkeypatch.chdir(pipeline.data.parent)
    monkeypatch.setenv("WHITEOUT_DATA", "whiteout-data")
    for words in filter(runs, commands_of(LOCAL.sub(pipeline.url, block.source))):
        while not words[0].islower():
            name, _, value = words.pop(0).partition("=")
            monkeypatch.setenv(name, value)
        if words[0] == "curl":
            as_curl_would(words[1:])
        else:
            assert run(words[1:]) == 0


def as_curl_would(words: list[str]) -> None:
    """Ask; an answer that is an error raises."""
    data = words[words.index("-d") + 1].encode() if "-d" in words else None
    url = next(word for word in words if word.startswith("http://"))
    with urllib.request.urlopen(url, data, timeout=30) as answer:  # noqa: S310 - loopback
        assert answer.read()


# --- nginx -----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not here")
@pytest.mark.parametrize("block", shown("nginx"))
def test_a_configuration_of_nginx_is_taken_by_it(block: Block, tmp_path: Path) -> None:
    """But for its certificates, which are nobody's."""
    server = re.sub(r"\n +ssl_[^;]*;", "", block.source).replace(" 443 ssl;", " 127.0.0.1:8443;")
    text = f"pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{\n{server}\n}}"
    (tmp_path / "nginx.conf").write_text(text, "utf-8")
    done = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-c", "nginx.conf"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, "[warn]" in done.stderr) == (0, False), done.stderr
