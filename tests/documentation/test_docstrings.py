"""What the docstrings of public modules show, runs."""

from __future__ import annotations

import importlib
import sys
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import whiteout

if TYPE_CHECKING:
    from pathlib import Path


class _Events:
    """Those of a window that never loads a page."""

    class _Loaded:
        def __iadd__(self, _: object) -> _Events._Loaded:
            return self

        def is_set(self) -> bool:
            return False

    loaded = _Loaded()


class _Window:
    """As much of pywebview's as `attach` needs."""

    def __init__(self, *_: object) -> None:
        self.events = _Events()

    def expose(self, *_: object) -> None:
        """Forget it."""


def blocks_of(module: ModuleType) -> list[str]:
    """The code behind each `::`."""
    blocks = []
    for text in (module.__doc__ or "").split("\n::\n")[1:]:
        lines = []
        for line in text.splitlines():
            if line and not line.startswith(" "):
                break
            lines.append(line)
        blocks.append(textwrap.dedent("\n".join(lines)))
    return blocks


@pytest.mark.parametrize(
    "name",
    [
        "whiteout",
        "whiteout.controllers",
        "whiteout.testing",
        "whiteout.integrations.asgi",
        "whiteout.integrations.wsgi",
        "whiteout.integrations.pywebview",
    ],
)
def test_the_code_in_a_docstring_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith("gi"):
        pytest.importorskip({"asgi": "starlette", "wsgi": "flask"}[name.rpartition(".")[2]])
    for variable in ("HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    webview = ModuleType("webview")
    webview.create_window = _Window  # type: ignore[attr-defined] # a module has any attribute
    webview.start = lambda **_: None  # type: ignore[attr-defined] # the same
    monkeypatch.setitem(sys.modules, "webview", webview)

    (block,) = blocks_of(importlib.import_module(name))
    try:
        exec(block, {})  # noqa: S102 - it is ours
    finally:
        for namespace in ("shop", "shop-site"):
            whiteout.remove_tracker(namespace, timeout=0)
