"""What the pages for those who come from other trackers say, held to those trackers and to ours."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docs import public
from docs.public import REACHED, reached
from tests.support.collector import Collector, unstructured
from tests.support.pages import REPOSITORY, blocks_of
from tests.support.sections import rows, section

import whiteout

if TYPE_CHECKING:
    from types import ModuleType

PAGE = "docs/coming-from/python-tracker.md"
PLACEHOLDER = "https://collector.example.com"
_PAYLOAD = ("e", "p", "aid", "tna", "uid", "se_ca", "se_ac", "se_la", "se_va")


@pytest.fixture
def official() -> ModuleType:
    """The official package. Its import configures logging for the whole process: not here."""
    handlers = list(logging.root.handlers)
    module: ModuleType = pytest.importorskip("snowplow_tracker")
    logging.root.handlers[:] = handlers
    return module


def names_of(column: int) -> list[str]:
    """The names in a column of the table of names."""
    table = rows(section(PAGE, "What is called what"))
    return [name for row in table for name in re.findall(r"`([\w.]+)`", row[column])]


# --- names -----------------------------------------------------------------------------------


def has(owner: Any, name: str) -> bool:  # noqa: ANN401 - a class or function of either package
    """Whether a class or its instances have a name."""
    given = inspect.signature(owner.__init__).parameters if inspect.isclass(owner) else {}
    return hasattr(owner, name) or name in given or f"self.{name} = " in source_of(owner)


def source_of(owner: object) -> str:
    return inspect.getsource(owner) if inspect.isclass(owner) else ""


def test_each_name_of_the_official_tracker_is_there(official: ModuleType) -> None:
    missing = []
    for name in names_of(0):
        first, _, rest = name.partition(".")
        owner = getattr(official, first, None)
        if owner is None or (rest and not has(owner, rest)):
            missing.append(name)

    assert missing == []


def test_each_name_of_ours_is_there() -> None:
    places = {place for _, _, place in REACHED}
    missing = []
    for name in names_of(1):
        first, _, rest = name.rpartition(".")
        if name in places or (first == "" and hasattr(whiteout, rest)):
            continue
        owner = reached(first) if first in places else getattr(whiteout, first, None)
        if not (hasattr(owner, rest) or rest in public.field_names(owner)):
            missing.append(name)

    assert missing == []


@pytest.mark.parametrize(
    "owner", ["Subject", "TrackerConfiguration", "EmitterConfiguration", "Snowplow"]
)
def test_nothing_that_is_configured_there_is_passed_over(official: ModuleType, owner: str) -> None:
    listed = {name.partition(".")[2] for name in names_of(0) if name.startswith(f"{owner}.")}
    inner = {"combine_subject"}  # of the package's own use

    there = {name for name in vars(getattr(official, owner)) if not name.startswith("_")} - inner

    assert there - listed == set()


def test_each_kind_of_event_there_is_named(official: ModuleType) -> None:
    kinds = {
        name
        for name, value in vars(official).items()
        if inspect.isclass(value) and issubclass(value, official.Event)
    }

    assert kinds - {"Event"} - set(names_of(0)) == set()


# --- the two programs ------------------------------------------------------------------------


def payloads(language: str, folder: Path) -> list[dict[str, Any]]:
    """What a program of the page sends, but for what must differ: ids, times, the version."""
    source = next(
        block.source for block in blocks_of(REPOSITORY / PAGE) if block.language == language
    )
    with Collector() as collector:
        done = subprocess.run(
            [sys.executable, "-P", "-c", source.replace(PLACEHOLDER, collector.url)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(whiteout.__file__).parent.parent),
                "HOME": str(folder),
                "XDG_DATA_HOME": str(folder / "data"),
                "LOCALAPPDATA": str(folder / "data"),
            },
        )
        assert done.returncode == 0, done.stderr
        return [comparable(event) for event in collector.events]


def comparable(event: dict[str, str]) -> dict[str, Any]:
    body = unstructured(event) if event["e"] == "ue" else None
    number = float(event["se_va"]) if "se_va" in event else None
    texts = {name: event[name] for name in _PAYLOAD if name in event}
    return {**texts, "se_va": number, "body": body, "entities": event.get("cx", event.get("co"))}


@pytest.mark.usefixtures("official")
def test_both_programs_send_the_same_events(tmp_path: Path) -> None:
    before = payloads("py", tmp_path)
    after = payloads("python", tmp_path)

    assert len(before) == 2
    assert after == before
    assert "Checkout" in json.dumps(after)


# --- the mobile trackers' defaults -----------------------------------------------------------


def test_the_defaults_that_differ_are_as_the_code_has_them() -> None:
    page = "docs/coming-from/mobile-trackers.md"
    told = {
        name.strip("`"): int(ours.replace(",", ""))
        for name, _, ours, _ in rows(section(page, "Defaults that differ"))
    }

    assert told == {
        "emit_range": whiteout.EmitterConfiguration().emit_range,
        "byte_limit_post": whiteout.EmitterConfiguration().byte_limit_post,
        "max_event_store_size": whiteout.EmitterConfiguration().max_event_store_size,
    }
