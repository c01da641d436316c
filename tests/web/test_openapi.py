"""The API does what its OpenAPI description says, whatever it is asked (schemathesis)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ensure_resource_availability, use_after_free
from starlette.routing import Route
from tests.support.pipeline import Pipeline, entities, self_describing
from tests.web.test_micro import APPLICATION, APPLICATION_DATA, SCREEN_DATA, SCREEN_VIEW

from whiteout.web import openapi
from whiteout.web.micro_api import MicroApi

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN: Final = "a-token-that-is-long-enough"  # noqa: S105 - of this test
OPERATIONS: Final = sorted(
    (path, method)
    for path, methods in openapi.description(needs_token=False)["paths"].items()
    for method in methods
)


def test_each_route_of_the_api_is_described() -> None:
    nothing: Any = None  # routes are made of none of it
    routes = [one for one in MicroApi(nothing, nothing, nothing).routes() if isinstance(one, Route)]
    known = {
        (route.path, method.lower())
        for route in routes
        for method in route.methods or ()
        if method != "HEAD"
    }

    assert known == set(OPERATIONS)


def test_the_page_of_the_api_tells_of_each_operation_and_each_object(running: Pipeline) -> None:
    """With what may be asked and answered, and without anything from elsewhere."""
    answer = running.get("/ui/api")
    page = answer.body.decode()

    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path, method in OPERATIONS:
        assert f"<h2><code>{method.upper()} {path}</code></h2>" in page
    for name, schema in openapi.description(needs_token=False)["components"]["schemas"].items():
        assert name in page
        assert all(f'class="value">{one}' in page for one in schema.get("properties", ()))
    assert f'href="{openapi.PATH}"' in page
    for text in ("list of GoodEvent", "at most that many of the newest"):
        assert text in page
    assert "Authorization" not in page
    assert "http" not in page.replace("http-", "")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline on all addresses, with events of every kind."""
    environment = {**os.environ, "WHITEOUT_PAGE_TOKEN": TOKEN}
    folder = tmp_path_factory.mktemp("guarded")
    with Pipeline(folder, "--host", "0.0.0.0", environment=environment) as pipeline:  # noqa: S104 - what is tested
        fill(pipeline)
        yield pipeline


def fill(pipeline: Pipeline) -> None:
    pipeline.send(
        {"uid": "somebody", "url": "https://shop.example/?q=1", "res": "10x20"},
        {**self_describing(SCREEN_VIEW, SCREEN_DATA), **entities((APPLICATION, APPLICATION_DATA))},
        {"e": "se", "se_ca": "shop", "se_ac": "add", "se_va": "1.5"},
        {"eid": "not an id"},
    )
    pipeline.request("POST", "/com.snowplowanalytics.snowplow/tp2", "not json")
    pipeline.request("GET", "/com.acme/v1?a=b")


def operation(pipeline: Pipeline, path: str, method: str, headers: dict[str, str]) -> Any:  # noqa: ANN401 - generic over the description's kind
    """One operation of the description that the pipeline serves."""
    described = schemathesis.openapi.from_url(f"{pipeline.url}{openapi.PATH}", headers=headers)
    return described[path][method.upper()]


def check(one: Any, headers: dict[str, str], examples: int) -> None:  # noqa: ANN401 - as above
    """Ask as the description allows, and as it does not; hold each answer against it."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of(
            one.as_strategy(GenerationMode.POSITIVE), one.as_strategy(GenerationMode.NEGATIVE)
        )
    )
    def ask(case: schemathesis.Case[Any]) -> None:
        # These two are for resources that are made and deleted; `reset` is none.
        case.call_and_validate(
            headers=headers, excluded_checks=[ensure_resource_availability, use_after_free]
        )

    ask()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_each_operation_answers_as_it_is_described(
    pipeline: Pipeline, path: str, method: str
) -> None:
    fill(pipeline)

    check(operation(pipeline, path, method, {}), {}, 25)


def telling(path: str, known: dict[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """What to ask an operation for, so that it gives each of its answers; chance finds few."""
    named = {"path_parameters": known} if "{" in path else {}
    yield 200, named
    yield 403, {**named, "headers": {"Origin": "https://stranger.example"}}
    yield 421, {**named, "headers": {"Host": "stranger.example"}}
    if named:
        for version in ("9-0-0", "no-version"):
            yield 404, {"path_parameters": {**known, "version": version}}
    if path in ("/micro/good", "/micro/bad"):
        yield 400, {"body": {"limit": "many"}, "media_type": "application/json"}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_each_answer_that_is_described_is_given_as_it_is_described(
    pipeline: Pipeline, path: str, method: str
) -> None:
    """Except 503, which takes a lake that cannot be written."""
    fill(pipeline)
    one = operation(pipeline, path, method, {})
    vendor, name, _, version = SCREEN_VIEW.removeprefix("iglu:").split("/")
    given = set()
    for status, case in telling(path, {"vendor": vendor, "name": name, "version": version}):
        if status == 400 and method == "get":
            continue
        answer = one.Case(**case).call_and_validate(
            excluded_checks=[ensure_resource_availability, use_after_free]
        )
        assert answer.status_code == status
        given.add(str(status))

    described = openapi.description(needs_token=False)["paths"][path][method]["responses"]
    assert given == described.keys() - {"503"}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_with_the_token_each_does_and_without_it_none_answers(
    guarded: Pipeline, path: str, method: str
) -> None:
    """The check `ignored_auth` asks again without the token, and with another one."""
    headers = {"Authorization": f"Bearer {TOKEN}"}

    check(operation(guarded, path, method, headers), headers, 5)

    assert b"Authorization: Bearer" in guarded.request("GET", "/ui/api", None, headers).body
    plain = path.format(vendor="com.acme", name="event", version="1-0-0")
    assert guarded.request(method.upper(), plain).status == 401
