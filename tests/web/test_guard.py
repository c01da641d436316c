"""Who may use the page and its API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.pipeline import Pipeline

from whiteout.cli import run
from whiteout.cli.page_place import Page
from whiteout.web.guard import cookie_name, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        {"Referer": "https://evil.example/page"},  # a browser that does not tell the site
        {"Referer": "http://127.0.0.1/page"},  # of another port
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
    assert (
        elsewhere.get("/micro/all", Cookie=f"whiteout_page_{elsewhere.port}={TOKEN}").status == 200
    )
    assert elsewhere.get("/i?e=pv&p=web").status == 200  # the collector is for everybody


@pytest.mark.parametrize("other", ['cart={"id": 1}', "shown[a]=1", "name@shop=1", "flag", "a=é"])
def test_cookies_of_other_servers_on_the_machine_do_not_lock_out(
    elsewhere: Pipeline, other: str
) -> None:
    """Cookies know no ports, and browsers send values that no specification allows."""
    cookie = f"{other}; whiteout_page_{elsewhere.port}={TOKEN}"
    assert elsewhere.get("/micro/all", Cookie=cookie).status == 200
    assert elsewhere.get("/micro/all", Cookie=f"{other}; x={TOKEN}").status == 401


@pytest.mark.parametrize(
    "path",
    ["/ui/assets/", "/ui/assets/a/b", "/ui/assets/page.css/", "/ui/assets/../charts/export.csv"],
)
def test_a_path_below_the_assets_that_is_none_tells_nothing(elsewhere: Pipeline, path: str) -> None:
    """Not how many events came, which the page for what is missing tells at its top."""
    answer = elsewhere.get(path)
    assert answer.status in {401, 404}
    assert b"good" not in answer.body


def test_the_link_that_is_printed_brings_the_token_into_a_cookie(elsewhere: Pipeline) -> None:
    """And out of the address, where others may see it."""
    printed = elsewhere.lines[-1].removeprefix("page on ")
    path = "/" + printed.split("/", 3)[3]

    answer = elsewhere.get(path)

    assert answer.status == 303
    assert answer.headers["location"] == "/ui"
    cookie = answer.headers["set-cookie"]
    assert TOKEN in cookie
    assert cookie.startswith(f"whiteout_page_{elsewhere.port}=")
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "secure" not in cookie.lower()


def test_the_link_that_is_printed_brings_any_token() -> None:
    token = 'tok en;"=&%41+#tok'  # noqa: S105 - of this test
    link = Page(socket=Path(), token=token).url("http", "0.0.0.0", 9090)  # noqa: S104 - what is tested
    assert parse_qs(urlsplit(link).query)["token"] == [token]


def test_the_link_leads_to_its_view_without_the_token(elsewhere: Pipeline) -> None:
    answer = elsewhere.get(f"/ui/charts?span=1h&token={TOKEN}")
    assert answer.headers["location"] == "/ui/charts?span=1h"
    assert elsewhere.get(f"/micro/good?token={TOKEN}").headers["location"] == "/ui"


def test_over_tls_the_cookie_is_for_tls_only(elsewhere: Pipeline) -> None:
    answer = elsewhere.get(f"/ui?token={TOKEN}", X_Forwarded_Proto="https")
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.example:9090", "whiteout_page_9090"),
        ("[::1]:9091", "whiteout_page_9091"),
        ("shop.example", "whiteout_page"),
        ("[::1]", "whiteout_page"),
        ("shop.example:evil;x", "whiteout_page"),
    ],
)
def test_pipelines_on_two_ports_have_two_cookies(host: str, name: str) -> None:
    """Cookies know no ports."""
    assert cookie_name(host) == name


def test_who_has_no_token_is_asked_for_it_and_comes_back_to_the_view(elsewhere: Pipeline) -> None:
    answer = elsewhere.get("/ui/charts?span=1h&q=%22%3E%3Cb%3E", Accept="text/html")

    assert answer.status == 401
    page = answer.body.decode()
    assert '<form class="filters" action="/ui/charts" method="get">' in page
    assert '<input type="hidden" name="span" value="1h">' in page
    assert "<b>" not in page
    assert 'type="password" name="token"' in page
    assert elsewhere.get("/ui/assets/page.css").status == 200
    assert b"That is not the token" in elsewhere.get("/ui?token=x", Accept="text/html").body
    assert (
        elsewhere.get("/micro/all", Accept="text/html")
        .headers["content-type"]
        .startswith("text/plain")
    )


def test_a_view_that_a_chat_links_to_opens_for_who_has_the_cookie(elsewhere: Pipeline) -> None:
    answer = elsewhere.get(
        "/ui?status=failed",
        Cookie=f"whiteout_page_{elsewhere.port}={TOKEN}",
        Sec_Fetch_Site="cross-site",
        Sec_Fetch_Mode="navigate",
        Referer="https://chat.example/",
    )
    assert answer.status == 200


def test_a_cookie_empties_the_page_by_post_only(elsewhere: Pipeline) -> None:
    """Browsers bring it by themselves, wherever a link to it stands."""
    cookie = {"Cookie": f"whiteout_page_{elsewhere.port}={TOKEN}"}
    assert elsewhere.get("/micro/reset", **cookie).status == 403
    assert elsewhere.request("POST", "/micro/reset", headers=cookie).status == 200
    assert elsewhere.get("/micro/reset", Authorization=f"Bearer {TOKEN}").status == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "x-forwarded-host", "Forwarded", "Via", "X-Real-IP"]
)
def test_behind_a_proxy_the_token_is_needed_on_loopback_too(
    pipeline: Pipeline, elsewhere: Pipeline, header: str
) -> None:
    """The proxy is on this machine, and who asks it may be anywhere."""
    headers = {header: "198.51.100.7"}

    refused = pipeline.request("GET", "/micro/reset", headers=headers)
    assert refused.status == 403
    assert b"WHITEOUT_PAGE_TOKEN" in refused.body
    assert pipeline.request("GET", "/ui", headers=headers).status == 403
    assert pipeline.request("GET", "/i?e=pv&p=web", headers=headers).status == 200

    shown = {**headers, "Authorization": f"Bearer {TOKEN}"}
    assert elsewhere.request("GET", "/micro/all", headers=shown).status == 200


def test_suites_empty_the_page_without_any_header(pipeline: Pipeline) -> None:
    pipeline.send({})
    assert pipeline.get("/micro/reset").json() == {"total": 0, "good": 0, "bad": 0}
    assert pipeline.request("POST", "/micro/reset").status == 200


def test_a_token_that_can_be_guessed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHITEOUT_PAGE_TOKEN", "short")

    assert run(["up", "--data", str(tmp_path), "--port", "0"]) == 2

    assert "WHITEOUT_PAGE_TOKEN must be 16" in capsys.readouterr().err
