"""Which registry is asked, when, and what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from whiteout.iglu import (
    EmbeddedRegistry,
    LookupProblem,
    RegistryHistory,
    ResolutionError,
    Resolver,
    SchemaError,
)
from whiteout.protocol.iglu import SchemaKey, parse_schema_key

KEY = parse_schema_key("iglu:com.acme/thing/jsonschema/1-0-0")
NOT_FOUND = LookupProblem("NotFound")
DOWN = LookupProblem("RepoFailure", "status 503")


@dataclass
class FakeRegistry:
    name: str
    answers: list[dict[str, Any] | LookupProblem]
    asked: list[SchemaKey] = field(default_factory=list)

    def lookup(self, key: SchemaKey) -> dict[str, Any] | LookupProblem:
        self.asked.append(key)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Clock:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


def test_the_first_registry_that_has_the_schema_wins_and_is_asked_once() -> None:
    first = FakeRegistry("first", [NOT_FOUND])
    second = FakeRegistry("second", [{"type": "string"}])
    third = FakeRegistry("third", [{"type": "object"}])
    resolver = Resolver([first, second, third])

    assert resolver.lookup(KEY) == {"type": "string"}
    assert resolver.validator(KEY).is_valid("x")
    assert resolver.validator(KEY) is resolver.validator(KEY)
    assert [len(r.asked) for r in (first, second, third)] == [1, 1, 0]


def test_a_missing_schema_names_who_was_asked_and_is_believed_for_its_time_to_live() -> None:
    clock = Clock()
    registry = FakeRegistry("acme", [NOT_FOUND, NOT_FOUND, {"type": "string"}])
    resolver = Resolver([registry], now_ms=clock, not_found_ttl_ms=10_000)

    for _ in range(3):
        with pytest.raises(ResolutionError, match="acme: NotFound") as raised:
            resolver.validator(KEY)
    assert raised.value.history == (
        RegistryHistory(
            repository="acme", problems=(NOT_FOUND,), attempts=1, last_attempt_ms=1_000_000
        ),
    )

    clock.now += 10_000
    with pytest.raises(ResolutionError) as raised:
        resolver.lookup(KEY)
    assert raised.value.history[0].attempts == 2
    clock.now += 10_000
    assert resolver.lookup(KEY) == {"type": "string"}


def test_a_failure_is_tried_again_sooner_and_then_ever_later() -> None:
    clock = Clock()
    registry = FakeRegistry("acme", [DOWN])
    resolver = Resolver([registry], now_ms=clock)

    def asked_after(milliseconds: int) -> int:
        clock.now += milliseconds
        with pytest.raises(ResolutionError):
            resolver.lookup(KEY)
        return len(registry.asked)

    assert [asked_after(ms) for ms in (0, 499, 1, 999, 1, 1999, 1)] == [1, 1, 2, 2, 3, 3, 4]
    for _ in range(10):
        asked_after(60_000)
    assert len(registry.asked) == 14


def test_the_history_keeps_every_kind_of_answer_the_latest_last() -> None:
    clock = Clock()
    registry = FakeRegistry("acme", [NOT_FOUND, DOWN, NOT_FOUND])
    resolver = Resolver([registry], now_ms=clock)
    problems = []

    for _ in range(3):
        with pytest.raises(ResolutionError) as raised:
            resolver.lookup(KEY)
        problems.append(raised.value.history[0].problems)
        clock.now += 60_000

    assert problems == [(NOT_FOUND,), (NOT_FOUND, DOWN), (DOWN, NOT_FOUND)]


def test_an_unusable_schema_is_compiled_once_and_stays_unusable() -> None:
    registry = FakeRegistry("acme", [{"type": "no such type"}])
    resolver = Resolver([registry])

    for _ in range(3):
        with pytest.raises(SchemaError):
            resolver.validator(KEY)

    assert len(registry.asked) == 1


def test_schemas_are_looked_up_again_after_their_time_to_live() -> None:
    clock = Clock()
    registry = FakeRegistry("acme", [{"type": "string"}, {"type": "integer"}])
    resolver = Resolver([registry], now_ms=clock, schema_ttl_ms=1000)

    before = resolver.validator(KEY).is_valid("x")
    clock.now += 999
    still = resolver.validator(KEY).is_valid("x")
    clock.now += 1
    after = resolver.validator(KEY).is_valid("x")

    assert (before, still, after) == (True, True, False)


def test_what_is_kept_is_bounded_whoever_asks_for_what() -> None:
    found = FakeRegistry("found", [{"type": "string"}])
    resolver = Resolver([found], cache_size=10)
    missing = Resolver([FakeRegistry("none", [NOT_FOUND])], cache_size=10)

    for number in range(100):
        key = parse_schema_key(f"iglu:com.acme/thing/jsonschema/1-0-{number}")
        resolver.validator(key)
        with pytest.raises(ResolutionError):
            missing.validator(key)

    assert len(resolver._schemas) == len(resolver._validators) == len(resolver._found_at_ms) == 10
    assert len(resolver._by_uri) == 10
    assert len(missing._unresolved) == 10


def test_what_is_compiled_is_at_hand_by_its_uri_unless_schemas_grow_old() -> None:
    for_ever = Resolver([FakeRegistry("acme", [{"type": "string"}])])
    aging = Resolver([FakeRegistry("acme", [{"type": "string"}])], schema_ttl_ms=1000)
    broken = Resolver([FakeRegistry("acme", [{"type": "no such type"}])])
    before = for_ever.compiled(KEY.uri)

    validators = [resolver.validator(KEY) for resolver in (for_ever, aging)]
    with pytest.raises(SchemaError):
        broken.validator(KEY)

    assert before is None
    assert for_ever.compiled(KEY.uri) is validators[0]
    assert aging.compiled(KEY.uri) is broken.compiled(KEY.uri) is None


def test_standard_is_what_this_package_brings_along_whoever_has_it() -> None:
    uri = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1"
    key = parse_schema_key(uri)
    ours = EmbeddedRegistry().schemas[uri]
    embedded, copied, other = (
        Resolver([EmbeddedRegistry()]),
        Resolver([FakeRegistry("copy", [dict(ours)])]),
        Resolver([FakeRegistry("other", [{**ours, "maxItems": 1}])]),
    )
    aging = Resolver([EmbeddedRegistry()], schema_ttl_ms=1)

    before = embedded.is_standard(uri)
    for resolver in (embedded, copied, other, aging):
        resolver.validator(key)

    assert not before
    assert [r.is_standard(uri) for r in (embedded, copied, other, aging)] == [
        True,
        True,
        False,
        False,
    ]
    assert not embedded.is_standard(KEY.uri)


def test_every_embedded_schema_compiles_and_describes_itself() -> None:
    registry = EmbeddedRegistry()
    resolver = Resolver([registry])
    keys = list(registry.keys())

    assert len(keys) > 15
    for key in keys:
        own = resolver.lookup(key)["self"]
        assert (own["vendor"], own["name"], own["format"]) == (key.vendor, key.name, key.format)
        assert own["version"] == key.version
        resolver.validator(key)


def test_a_resolver_without_registries_says_so() -> None:
    with pytest.raises(ResolutionError, match="there is no registry"):
        Resolver([]).lookup(KEY)
