"""Who may use the page and its API."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.support.pipeline import Pipeline

from whiteout.cli import run
from whiteout.web.guard import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-token-that-is-long-enough"  # noqa: S105 - of this test


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline on all addresses."""
    environment = {**os.environ, "WHITEOUT_PAGE_TOKEN": TOKEN}
    folder = tmp_path_factory.mktemp("elsewhere")
    with Pipeline(folder, "--host", "0.0.0.0", environment=environment) as pipeline:  # noqa: S104 - what is tested
        yield pipeline


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1"])
def test_a_name_that_is_not_this_machines_is_refused(pipeline: Pipeline, host: str) -> None:
    """DNS rebinding: the site's own name resolves to 127.0.0.1, but stays in `Host`."""
    assert pipeline.get("/micro/all", Host=host).status == 421
    assert pipeline.get("/", Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost:9090", "[::1]:9090", "127.0.0.1", "app.localhost"])
def test_the_names_of_this_machine_are_let_in(pipeline: Pipeline, host: str) -> None:
    assert pipeline.get("/micro/all", Host=host).status == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [("[::1]", True), ("LOCALHOST", True), ("127.8.9.1", True), ("localhost.evil", False)],
)
def test_loopback_is_known_by_name_and_number(host: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    ],
)
def test_no_other_site_can_empty_it(pipeline: Pipeline, headers: dict[str, str]) -> None:
    """`/micro/reset` is a GET, as suites want it: a picture on any page would do (W19)."""
    pipeline.send({})

    assert pipeline.get("/micro/reset", **headers).status == 403

    assert pipeline.get("/micro/all").json()["good"] == 1


def test_no_answer_is_meant_for_other_sites(pipeline: Pipeline) -> None:
    headers = pipeline.get("/micro/all").headers

    assert "access-control-allow-origin" not in headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_on_other_addresses_the_token_is_asked_for(elsewhere: Pipeline) -> None:
    assert elsewhere.get("/micro/all").status == 401
    assert elsewhere.get("/micro/all", Authorization="Bearer wrong").status == 401
    assert elsewhere.get("/micro/all", Authorization=f"Bearer {TOKEN}").status == 200
    assert elsewhere.get("/micro/all", Cookie=f"whiteout_page={TOKEN}").status == 200
    assert elsewhere.get("/i?e=pv&p=web").status == 200  # the collector is for everybody


def test_the_link_that_is_printed_brings_the_token_into_a_cookie(elsewhere: Pipeline) -> None:
    """And out of the address, where others may see it."""
    printed = elsewhere.lines[-1].removeprefix("page on ")
    path = "/" + printed.split("/", 3)[3]

    answer = elsewhere.get(path)

    assert answer.status == 303
    assert answer.headers["location"] == "/ui"
    cookie = answer.headers["set-cookie"]
    assert TOKEN in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


def test_a_token_that_can_be_guessed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHITEOUT_PAGE_TOKEN", "short")

    assert run(["up", "--data", str(tmp_path), "--port", "0"]) == 2

    assert "WHITEOUT_PAGE_TOKEN must be 16" in capsys.readouterr().err
