"""The user's language and time zone, as the system says. Absent rather than guessed.

On macOS a program that was not started from a terminal has no locale in its environment: it has no
language here then. Windows names time zones in its own way: there is none here.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whiteout.tracker.platform_basics import os_type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_LANGUAGE_VARIABLES: Final = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # as for gettext
_ZONE_NAME: Final = re.compile(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*")
_LONGEST: Final = 255


def system_language(
    environment: Mapping[str, str] = os.environ, *, os_type: str | None = None
) -> str | None:
    """The user's language as a tag, `en-GB`; None: it is not known.

    Args:
        environment: by default the process's.
        os_type: by default what this Python runs on; `windows` is asked where the environment says
            nothing.
    """
    for variable in _LANGUAGE_VARIABLES:
        if value := environment.get(variable):
            # LANGUAGE lists several; C and POSIX are no language, but end the search.
            return language_tag(value.split(":")[0])
    is_windows = (os_type or os_type_of(sys.platform)) == "windows"
    return _windows_language() if is_windows else None


def language_tag(locale: str) -> str | None:
    """A POSIX locale as a language tag: `de_AT.UTF-8@euro` is `de-AT`; C and POSIX are None."""
    name = locale.partition(".")[0].partition("@")[0]
    return None if name in {"", "C", "POSIX"} else name.replace("_", "-")[:_LONGEST]


def system_timezone(
    environment: Mapping[str, str] = os.environ, *, root: Path = Path("/")
) -> str | None:
    """The system's zone by its IANA name, `Europe/London`; None: it is not known by that.

    Args:
        environment: by default the process's; `TZ` beats the system.
        root: where the system's files are.
    """
    name = environment.get("TZ", "").removeprefix(":")
    if not name:
        name = _configured_zone(root)
    return name if _ZONE_NAME.fullmatch(name) and len(name) <= _LONGEST else None


def _configured_zone(root: Path) -> str:
    """What `/etc/localtime` is a link to; without that file a system is on UTC."""
    link = root / "etc/localtime"
    try:
        target = str(link.resolve())
    except (OSError, RuntimeError):  # a loop
        return ""
    if "/zoneinfo/" in target:
        return target.rpartition("/zoneinfo/")[2].removeprefix("posix/")
    return "UTC" if time.tzname[0] == "UTC" else ""


def _windows_language() -> str | None:
    if sys.platform != "win32":
        return None
    import ctypes  # noqa: PLC0415 - only there
    import locale  # noqa: PLC0415 - only there

    code = ctypes.windll.kernel32.GetUserDefaultUILanguage()
    name = locale.windows_locale.get(code)
    return None if name is None else language_tag(name)
