"""The four basics of the platform entity: system, version, maker and model, one system each.

Only names that a shop would print on the box. The serial numbers and machine ids that lie beside
them are never opened.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES: Final = 16_384  # of a file; meminfo has about 1 500
_FILLERS: Final = frozenset(
    # What makers leave in the firmware of boards that they did not name.
    {
        "",
        "default string",
        "none",
        "not applicable",
        "not specified",
        "o.e.m.",
        "system manufacturer",
        "system product name",
        "to be filled by o.e.m.",
        "unknown",
    }
)


class Basics(NamedTuple):
    """What is known; None where it is not."""

    os_version: str | None = None
    manufacturer: str | None = None
    model: str | None = None


def os_type_of(sys_platform: str) -> str:
    """The native trackers' name for what `sys.platform` calls a system."""
    if sys_platform == "android" or hasattr(sys, "getandroidapilevel"):
        return "android"  # before Python 3.13 Android called itself linux
    names = {"darwin": "osx", "win32": "windows", "cygwin": "windows"}
    return names.get(sys_platform, sys_platform.rstrip("0123456789"))


def basics(os_type: str, root: Path) -> Basics:
    """What the system says of itself."""
    match os_type:
        case "linux":
            return _linux(root)
        case "osx":
            return _macos()
        case "windows":
            return _windows()
        case "android":
            return _android()
        case "ios":
            return _ios()
        case _:
            return Basics(_kernel_version())


def read_small(path: Path) -> str | None:
    """The beginning of a small text file, stripped; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
    except OSError:
        return None
    return content.decode("utf-8", "replace").strip("\x00 \t\r\n")


def _linux(root: Path) -> Basics:
    release = _os_release(root)
    version = release.get("VERSION_ID") or release.get("BUILD_ID")
    distribution = release.get("ID", "")
    os_version = f"{distribution} {version}".strip() if version else distribution
    dmi = root / "sys/class/dmi/id"
    manufacturer = _named(read_small(dmi / "sys_vendor"))
    model = _named(read_small(dmi / "product_name"))
    if model is None:
        # Boards without firmware tables: "raspberrypi,4-model-b", "Raspberry Pi 4 Model B".
        tree = root / "proc/device-tree"
        model = _named(read_small(tree / "model"))
        manufacturer = _named((read_small(tree / "compatible") or "").partition(",")[0])
    return Basics(os_version or _kernel_version(), manufacturer, model)


def _os_release(root: Path) -> dict[str, str]:
    """Source: the os-release manual page; the first of the two files that exists counts."""
    text = read_small(root / "etc/os-release")
    if text is None:
        text = read_small(root / "usr/lib/os-release") or ""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def _macos() -> Basics:
    import platform  # noqa: PLC0415 - costs milliseconds at import

    return Basics(platform.mac_ver()[0] or None, "Apple Inc.", _sysctl(b"hw.model"))


def _sysctl(name: bytes) -> str | None:
    import ctypes  # noqa: PLC0415 - only there

    if sys.platform != "darwin":
        return None
    buffer = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t(ctypes.sizeof(buffer))
    if ctypes.CDLL(None).sysctlbyname(name, buffer, ctypes.byref(size), None, 0) != 0:
        return None
    return buffer.value.decode("utf-8", "replace") or None


def _windows() -> Basics:
    import platform  # noqa: PLC0415 - costs milliseconds at import

    return Basics(
        platform.version() or None,
        _named(_bios("SystemManufacturer")),
        _named(_bios("SystemProductName")),
    )


def _bios(name: str) -> str | None:
    if sys.platform != "win32":
        return None
    import winreg  # noqa: PLC0415 - only there

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\BIOS") as key:
            value, _ = winreg.QueryValueEx(key, name)
    except OSError:
        return None
    return value if isinstance(value, str) else None


def _android() -> Basics:
    """Source: `platform.android_ver` (Python 3.13, PEP 738)."""
    import platform  # noqa: PLC0415 - costs milliseconds at import

    android_ver = getattr(platform, "android_ver", None)
    if android_ver is None:
        return Basics()
    version = android_ver()
    return Basics(version.release or None, version.manufacturer or None, version.model or None)


def _ios() -> Basics:
    """Source: `platform.ios_ver` (Python 3.13, PEP 730)."""
    import platform  # noqa: PLC0415 - costs milliseconds at import

    ios_ver = getattr(platform, "ios_ver", None)
    if ios_ver is None:
        return Basics(manufacturer="Apple Inc.")
    version = ios_ver()
    return Basics(version.release or None, "Apple Inc.", version.model or None)


def _kernel_version() -> str | None:
    """The first two numbers only: the rest names one build of one machine's kernel."""
    import platform  # noqa: PLC0415 - costs milliseconds at import

    return ".".join(platform.release().split(".")[:2]) or None


def _named(text: str | None) -> str | None:
    return None if text is None or text.strip().casefold() in _FILLERS else text.strip()
