"""Reads the platform's properties from the system.

What is not here (screen, orientation, network, carrier, low power mode, identifiers) only a GUI
toolkit or the app knows: see `PlatformContextRetriever`. Serial numbers, machine ids, host and user
names are never read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from whiteout.tracker.platform_basics import Basics, basics, os_type_of, read_small
from whiteout.tracker.system_locale import system_language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = str | int | float | bool | None

_BATTERY_STATES: Final = {"Charging": "charging", "Discharging": "unplugged", "Full": "full"}
_FULL: Final = 100


class PlatformReader(Protocol):
    """Knows the values of the platform's properties."""

    def read(self, name: str) -> Value:
        """The value now, by the attribute's name in `MobileContext`; None where there is none.

        Called by one thread at a time, which may be another each time. May read small files.
        """
        ...


class SystemPlatformReader:
    """Reads the system that it runs on.

    Args:
        os_type: `linux`, `osx`, `windows`, `android`, `ios`; by default what this Python runs on.
        root: where Linux' files are.
        environment: for the language; by default the process's.
    """

    def __init__(
        self,
        *,
        os_type: str | None = None,
        root: Path = Path("/"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.os_type = os_type_of(sys.platform) if os_type is None else os_type
        self._root = root
        self._environment = os.environ if environment is None else environment
        self._basics: Basics | None = None
        self._readers: dict[str, Callable[[], Value]] = {
            "os_type": lambda: self.os_type,
            "os_version": lambda: self._basic().os_version,
            "device_manufacturer": lambda: self._basic().manufacturer,
            "device_model": lambda: self._basic().model,
            "physical_memory": lambda: self._memory("MemTotal", "total"),
            "system_available_memory": lambda: self._memory("MemAvailable", "available"),
            "battery_level": lambda: self._battery()[0],
            "battery_state": lambda: self._battery()[1],
            "available_storage": lambda: _storage()[0],
            "total_storage": lambda: _storage()[1],
            "language": lambda: system_language(self._environment, os_type=self.os_type),
        }

    def read(self, name: str) -> Value:
        """The value now; None where the system has none, or this reader does not know it."""
        reader = self._readers.get(name)
        return None if reader is None else reader()

    def _basic(self) -> Basics:
        if self._basics is None:
            self._basics = basics(self.os_type, self._root)
        return self._basics

    def _memory(self, linux_name: str, psutil_name: str) -> int | None:
        if self.os_type in {"linux", "android"}:
            return _meminfo(self._root, linux_name)
        psutil = _psutil()
        return None if psutil is None else int(getattr(psutil.virtual_memory(), psutil_name))

    def _battery(self) -> tuple[int | None, str | None]:
        """Level in per cent, and state."""
        if self.os_type in {"linux", "android"}:
            return _linux_battery(self._root)
        sensors_battery = getattr(_psutil(), "sensors_battery", None)
        battery = None if sensors_battery is None else sensors_battery()
        if battery is None:
            return None, None
        level = round(battery.percent)
        if battery.power_plugged is None:
            return level, None
        if not battery.power_plugged:
            return level, "unplugged"
        return level, "full" if level >= _FULL else "charging"


def _meminfo(root: Path, name: str) -> int | None:
    text = read_small(root / "proc/meminfo") or ""
    for line in text.splitlines():
        label, _, amount = line.partition(":")
        number, _, unit = amount.strip().partition(" ")
        if label == name and number.isdecimal() and unit == "kB":
            return int(number) * 1024
    return None


def _linux_battery(root: Path) -> tuple[int | None, str | None]:
    """Of the first battery that drives the computer; a mouse or a headset has the scope Device."""
    folder = root / "sys/class/power_supply"
    try:
        supplies = sorted(folder.iterdir())
    except OSError:
        return None, None
    for supply in supplies:
        if read_small(supply / "type") == "Battery" and read_small(supply / "scope") != "Device":
            level = read_small(supply / "capacity") or ""
            state = _BATTERY_STATES.get(read_small(supply / "status") or "")
            return (int(level) if level.isdecimal() else None), state
    return None, None


def _storage() -> tuple[int | None, int | None]:
    """Bytes free for this user, and bytes in all, where the user's files are."""
    import shutil  # noqa: PLC0415 - costs milliseconds at import

    try:
        usage = shutil.disk_usage(Path("~").expanduser())
    except (OSError, RuntimeError):  # no such folder; no home
        return None, None
    return usage.free, usage.total


def _psutil() -> Any:  # noqa: ANN401 - an optional module, or None
    try:
        import psutil  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return psutil
