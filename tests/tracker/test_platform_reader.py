"""What is read from the system, and what is not."""

from __future__ import annotations

import builtins
import os
import platform
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest

from whiteout.events.entities import MobileContext
from whiteout.events.properties import properties_of
from whiteout.tracker.platform import PlatformContext, SystemPlatformReader
from whiteout.tracker.platform_basics import os_type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

OS_RELEASE = """\
# comment
NAME="Ubuntu"
PRETTY_NAME="Ubuntu 24.04.1 LTS"
ID=ubuntu
VERSION_ID="24.04"
"""
MEMINFO = """\
MemTotal:       16303428 kB
MemFree:          841236 kB
MemAvailable:    9876544 kB
HugePages_Total:       0
"""


def linux(
    root: Path, files: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> SystemPlatformReader:
    """A reader of a Linux that consists of the given files."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return SystemPlatformReader(os_type="linux", root=root, environment=environment or {})


def test_linux_says_distribution_maker_and_model(tmp_path: Path) -> None:
    reader = linux(
        tmp_path,
        {
            "etc/os-release": OS_RELEASE,
            "sys/class/dmi/id/sys_vendor": "LENOVO\n",
            "sys/class/dmi/id/product_name": "20XW0026US\n",
        },
    )

    assert reader.read("os_type") == "linux"
    assert reader.read("os_version") == "ubuntu 24.04"
    assert reader.read("device_manufacturer") == "LENOVO"
    assert reader.read("device_model") == "20XW0026US"


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("ID=arch\nBUILD_ID=rolling\n", "arch rolling"),
        ("ID=gentoo\n", "gentoo"),
        ("VERSION_ID='12'\n", "12"),
        ("no such thing", ".".join(platform.release().split(".")[:2])),
    ],
)
def test_linux_without_a_version_says_what_it_has(
    tmp_path: Path, release: str, version: str
) -> None:
    assert linux(tmp_path, {"etc/os-release": release}).read("os_version") == version


def test_the_second_place_for_os_release_counts_when_the_first_is_empty(tmp_path: Path) -> None:
    reader = linux(tmp_path, {"usr/lib/os-release": OS_RELEASE})

    assert reader.read("os_version") == "ubuntu 24.04"


def test_a_board_is_named_by_its_device_tree(tmp_path: Path) -> None:
    reader = linux(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/device-tree/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
        },
    )

    assert reader.read("device_manufacturer") == "raspberrypi"
    assert reader.read("device_model") == "Raspberry Pi 4 Model B Rev 1.4"


@pytest.mark.parametrize("filler", ["To Be Filled By O.E.M.", "Default string", "", "None"])
def test_what_a_maker_forgot_to_fill_in_is_no_name(tmp_path: Path, filler: str) -> None:
    reader = linux(
        tmp_path,
        {"sys/class/dmi/id/sys_vendor": filler, "sys/class/dmi/id/product_name": filler},
    )

    assert reader.read("device_manufacturer") is None
    assert reader.read("device_model") is None


def test_linux_memory_is_in_bytes(tmp_path: Path) -> None:
    reader = linux(tmp_path, {"proc/meminfo": MEMINFO})

    assert reader.read("physical_memory") == 16_303_428 * 1024
    assert reader.read("system_available_memory") == 9_876_544 * 1024


def battery(name: str, **values: str) -> dict[str, str]:
    return {f"sys/class/power_supply/{name}/{key}": f"{value}\n" for key, value in values.items()}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Charging", "charging"),
        ("Discharging", "unplugged"),
        ("Full", "full"),
        ("Not charging", None),
        ("Unknown", None),
    ],
)
def test_linux_battery(tmp_path: Path, status: str, state: str | None) -> None:
    reader = linux(
        tmp_path,
        battery("AC", type="Mains")
        | battery("BAT0", type="Battery", capacity="73", status=status)
        | battery("BAT1", type="Battery", capacity="5", status="Full"),
    )

    assert reader.read("battery_level") == 73
    assert reader.read("battery_state") == state


def test_the_battery_of_a_mouse_is_not_the_computers(tmp_path: Path) -> None:
    reader = linux(
        tmp_path,
        battery("hidpp_battery_0", type="Battery", scope="Device", capacity="20", status="Full"),
    )

    assert reader.read("battery_level") is None
    assert reader.read("battery_state") is None


@pytest.mark.parametrize("content", ["", "garbage", "MemTotal: many kB", "\x00" * 100, "9" * 99])
def test_files_with_nonsense_give_no_value(tmp_path: Path, content: str) -> None:
    reader = linux(
        tmp_path,
        {"proc/meminfo": content} | battery("BAT0", type="Battery", capacity="x" + content),
    )

    assert reader.read("physical_memory") is None
    assert reader.read("battery_level") is None


def test_an_endless_file_is_read_a_little(tmp_path: Path) -> None:
    reader = linux(tmp_path, {"sys/class/dmi/id/product_name": "x" * 1_000_000})

    model = reader.read("device_model")

    assert isinstance(model, str)
    assert len(model) == 16_384


def test_storage_is_that_of_the_users_files() -> None:
    reader = SystemPlatformReader()

    available, total = reader.read("available_storage"), reader.read("total_storage")

    assert isinstance(available, int)
    assert isinstance(total, int)
    assert 0 <= available <= total


def test_no_home_means_no_storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "gone"))

    assert SystemPlatformReader().read("total_storage") is None


def test_the_language_is_that_of_the_environment() -> None:
    """How it is found, and that the subject has the same: `test_system_locale`."""
    reader = SystemPlatformReader(os_type="linux", environment={"LANG": "en_GB.UTF-8"})

    assert reader.read("language") == "en-GB"


@pytest.mark.skipif(hasattr(sys, "getandroidapilevel"), reason="always android there")
@pytest.mark.parametrize(
    ("sys_platform", "os_type"),
    [
        ("linux", "linux"),
        ("darwin", "osx"),
        ("win32", "windows"),
        ("android", "android"),
        ("ios", "ios"),
        ("freebsd14", "freebsd"),
    ],
)
def test_systems_have_the_names_that_the_native_trackers_give_them(
    sys_platform: str, os_type: str
) -> None:
    assert os_type_of(sys_platform) == os_type


def test_an_android_before_python_3_13_is_android(monkeypatch: pytest.MonkeyPatch) -> None:
    """It called itself linux, but could be told by its API level."""
    monkeypatch.setattr(sys, "getandroidapilevel", lambda: 34, raising=False)

    assert os_type_of("linux") == "android"


def test_android_says_release_maker_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    version = SimpleNamespace(release="14", manufacturer="Google", model="Pixel 8")
    monkeypatch.setattr(platform, "android_ver", lambda: version, raising=False)
    reader = SystemPlatformReader(os_type="android")

    assert reader.read("os_version") == "14"
    assert reader.read("device_manufacturer") == "Google"
    assert reader.read("device_model") == "Pixel 8"


def test_ios_says_release_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    version = SimpleNamespace(system="iOS", release="17.2", model="iPhone", is_simulator=False)
    monkeypatch.setattr(platform, "ios_ver", lambda: version, raising=False)
    reader = SystemPlatformReader(os_type="ios")

    assert reader.read("os_version") == "17.2"
    assert reader.read("device_manufacturer") == "Apple Inc."
    assert reader.read("device_model") == "iPhone"


@pytest.mark.parametrize(("os_type", "asks"), [("android", "android_ver"), ("ios", "ios_ver")])
def test_a_phone_with_a_python_that_cannot_tell_has_no_model(
    monkeypatch: pytest.MonkeyPatch, os_type: str, asks: str
) -> None:
    monkeypatch.delattr(platform, asks, raising=False)
    reader = SystemPlatformReader(os_type=os_type)

    assert reader.read("os_version") is None
    assert reader.read("device_model") is None


def test_macs_and_others_are_read_through_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(total=17_179_869_184, available=4_000_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    reader = SystemPlatformReader(os_type="osx")

    assert reader.read("physical_memory") == 17_179_869_184
    assert reader.read("system_available_memory") == 4_000_000_000
    assert reader.read("device_manufacturer") == "Apple Inc."


@pytest.mark.parametrize(
    ("percent", "plugged", "level", "state"),
    [
        (72.6, False, 73, "unplugged"),
        (72.6, True, 73, "charging"),
        (100.0, True, 100, "full"),
        (50.0, None, 50, None),
    ],
)
def test_battery_through_psutil(
    monkeypatch: pytest.MonkeyPatch,
    percent: float,
    plugged: bool | None,  # noqa: FBT001 - a parameter of the test
    level: int,
    state: str | None,
) -> None:
    found = SimpleNamespace(percent=percent, power_plugged=plugged)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: found)
    reader = SystemPlatformReader(os_type="windows")

    assert reader.read("battery_level") == level
    assert reader.read("battery_state") == state


@pytest.mark.parametrize("name", ["physical_memory", "battery_level", "battery_state"])
def test_without_psutil_there_is_less_and_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)  # as if it were not installed

    assert SystemPlatformReader(os_type="osx").read(name) is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="reads the files of Linux")
def test_no_file_with_a_serial_number_or_machine_id_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that a refresh opens on this very system, whoever opens it."""
    opened: list[str] = []
    open_file = Path.open

    def watch(path: Path, *arguments: object) -> object:
        opened.append(str(path))
        return open_file(path, *arguments)  # type: ignore[call-overload]  # passed on

    monkeypatch.setattr(Path, "open", watch)
    monkeypatch.setattr(builtins, "open", lambda *_: pytest.fail("another way to open a file"))
    reader = SystemPlatformReader(os_type="linux", environment=os.environ)
    names = list(properties_of(MobileContext))
    # Not a comparison of contents: which files exist differs by machine.
    for name in names:
        if name not in {"available_storage", "total_storage"}:
            reader.read(name)
    monkeypatch.undo()

    allowed = (
        "/etc/os-release",
        "/usr/lib/os-release",
        "/proc/meminfo",
        "/proc/device-tree/model",
        "/proc/device-tree/compatible",
        "/sys/class/dmi/id/sys_vendor",
        "/sys/class/dmi/id/product_name",
        "/sys/class/power_supply/",
    )
    assert "/proc/meminfo" in opened
    assert not [path for path in opened if not path.startswith(allowed)]


def test_this_very_system_can_be_read() -> None:
    failed: list[str] = []
    reader = SystemPlatformReader()
    context = PlatformContext(
        entity_type=MobileContext,
        reader=reader,
        monotonic_s=lambda: 0.0,
        on_error=lambda name, _: failed.append(name),
        retriever=None,
    )

    context.refresh(with_identifiers=True)

    assert failed == []
    assert reader.read("os_type") == os_type_of(sys.platform)
    assert reader.read("os_version")
