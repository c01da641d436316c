"""Packages from npm, kept between runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def installed(config: pytest.Config, name: str, package: Path) -> Path:
    """A folder with the `node_modules` that a `package.json` asks for, filled once.

    Args:
        config: of the run; its cache holds the folder.
        name: of the folder.
        package: the `package.json`.
    """
    assert config.cache is not None
    folder = Path(config.cache.mkdir(name))
    wanted = package.read_text("utf-8")
    stamp = folder / "installed.json"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        (folder / "package.json").write_text(wanted, "utf-8")
        npm = shutil.which("npm")
        assert npm is not None
        done = subprocess.run(
            [npm, "install", "--no-package-lock", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        stamp.write_text(wanted, "utf-8")
    return folder
