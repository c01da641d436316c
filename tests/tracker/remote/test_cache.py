"""The cached file: what is in it, whose it is, what is made of a damaged one."""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.tracker.remote.samples import NETWORK, a_bundle, a_document

from whiteout.tracker.remote.cache import RemoteCache

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = "https://config.example.com/trackers.json?token=hidden"


@pytest.fixture
def cache(tmp_path: Path) -> RemoteCache:
    return RemoteCache(tmp_path, ENDPOINT)


def the_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_r3_what_was_stored_is_read_back_and_what_was_not_given_stays_so(tmp_path: Path) -> None:
    """A12 too: server anonymisation survives."""
    document = a_document(
        a_bundle(
            "full",
            tracker={"appId": "a", "devicePlatform": "pc", "platformContextProperties": ["scale"]},
            session={"foregroundTimeout": 60},
            emitter={"serverAnonymisation": True, "customRetryForStatusCodes": {"500": False}},
            subject={"timezone": "Europe/London"},
        ),
        a_bundle("off", network=None),
        a_bundle("disabled", disabled=True),
        version=7,
    )

    assert RemoteCache(tmp_path, ENDPOINT).store(document)

    assert RemoteCache(tmp_path, ENDPOINT).load() == document


def test_r7_another_endpoint_has_another_cache(cache: RemoteCache, tmp_path: Path) -> None:
    other = RemoteCache(tmp_path, "https://config.example.com/other.json")
    cache.store(a_document(a_bundle(), version=9))

    assert other.load() is None

    other.store(a_document(a_bundle(), version=1))
    copied = tmp_path / the_name_of(other)
    copied.write_bytes((tmp_path / the_name_of(cache)).read_bytes())
    assert other.load() is None  # a file that was moved about is not believed either


def the_name_of(cache: RemoteCache) -> str:
    assert cache._path is not None
    return cache._path.name


def test_l24_no_identifier_of_a_subject_and_no_url_is_written(
    cache: RemoteCache, tmp_path: Path
) -> None:
    identifiers = {
        "userId": "canary-uid",
        "networkUserId": "canary-nuid",
        "domainUserId": "canary-duid",
        "ipAddress": "canary-ip",
        "useragent": "canary-ua",
    }
    document = a_document(a_bundle(subject={**identifiers, "language": "en-GB", "x": "canary-x"}))
    assert len(document.bundles["shop"].sections["subject"]) == 6

    cache.store(document)

    content = the_file(tmp_path).read_text()
    assert "canary" not in content
    assert "hidden" not in content + the_file(tmp_path).name
    loaded = cache.load()
    assert loaded is not None
    assert loaded.bundles["shop"].sections["subject"] == {"language": "en-GB"}
    assert not loaded.is_complete


def test_l27b_only_what_was_fetched_is_in_the_file(cache: RemoteCache, tmp_path: Path) -> None:
    cache.store(a_document(a_bundle(tracker={"appId": "a"})))

    (bundle,) = json.loads(the_file(tmp_path).read_bytes())["configurationBundle"]
    assert bundle == {
        "namespace": "shop",
        "disabled": False,
        "networkConfiguration": NETWORK,
        "trackerConfiguration": {"appId": "a"},
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_file_is_its_owners_alone(cache: RemoteCache, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cache.store(a_document(a_bundle()))
    finally:
        os.umask(before)

    assert stat.S_IMODE(the_file(tmp_path).stat().st_mode) == 0o600


def test_an_older_file_does_not_replace_a_newer_one(cache: RemoteCache) -> None:
    """As another process may have stored it."""
    newer = a_document(a_bundle(), version=2)
    cache.store(newer)

    assert cache.store(a_document(a_bundle("other"), version=1))

    assert cache.load() == newer


def test_a_refused_bundle_stays_unsure_after_a_restart(cache: RemoteCache) -> None:
    document = a_document(a_bundle("bad", tracker={"appId": 1}), a_bundle("good"))
    cache.store(document)

    loaded = cache.load()

    assert loaded is not None
    assert loaded.unsure == {"bad"}
    assert not loaded.is_complete  # a later version may understand the same file


def test_a_file_stored_by_a_version_that_knew_less_is_not_relied_upon(
    cache: RemoteCache, tmp_path: Path
) -> None:
    """What it left out could be a stricter option."""
    cache.store(a_document(a_bundle(tracker={"logLevel": "off"})))
    path = the_file(tmp_path)
    unknown_then = cache.load()
    path.write_text(path.read_text().replace("logLevel", "sessionContext"))

    known_now = cache.load()

    assert unknown_then is not None
    assert unknown_then.unsure == frozenset()
    assert unknown_then.is_complete
    assert known_now is not None
    assert known_now.unsure == {"shop"}
    assert not known_now.is_complete


def test_forget_deletes_it_and_what_a_killed_process_left(
    cache: RemoteCache, tmp_path: Path
) -> None:
    cache.store(a_document(a_bundle()))
    the_file(tmp_path).with_suffix(".4711.tmp").write_text("half")

    assert cache.forget()

    assert list(tmp_path.iterdir()) == []
    assert cache.forget()


def test_a_folder_that_is_not_there_is_no_reason_to_raise(tmp_path: Path) -> None:
    cache = RemoteCache(tmp_path / "gone", ENDPOINT)

    assert cache.load() is None
    assert not cache.store(a_document(a_bundle()))


def test_without_a_folder_nothing_is_kept() -> None:
    cache = RemoteCache(None, ENDPOINT)

    assert cache.store(a_document(a_bundle()))
    assert cache.load() is None
    assert cache.forget()


@given(content=st.binary(max_size=200), position=st.integers(0, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_file_is_read_as_none_or_as_it_was(
    tmp_path: Path, content: bytes, position: int
) -> None:
    cache = RemoteCache(tmp_path, ENDPOINT)
    cache.store(a_document(a_bundle(emitter={"serverAnonymisation": True})))
    path = the_file(tmp_path)
    stored = path.read_bytes()
    path.write_bytes(stored[:position] + content)

    loaded = cache.load()

    assert loaded is None or loaded.version >= 0
    path.unlink()
