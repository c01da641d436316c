"""Rules that name schemas: what they may look like, what they match, what an error says."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.errors import ConfigurationError
from whiteout.tracker.schema_rules import SchemaRule, SchemaRuleset

MOBILE = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
TIMING = "iglu:com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0"


def acme(vendor: str = "com.acme", name: str = "event", version: str = "1-2-3") -> str:
    return f"iglu:{vendor}/{name}/jsonschema/{version}"


@pytest.mark.parametrize(
    "rule",
    [
        "iglu:com.acme/*/jsonschema/*-*-*",
        "iglu:com.acme.*/*/*/*-*-*",
        "iglu:com.acme.*.*/*/jsonschema/1-*-*",
        "iglu:com.acme-x_1.a/my.event-x/json.schema/12-0-30",
        "iglu:com.acme/event/jsonschema/1-*-1",
        "iglu:com.acme/event/jsonschema/*-0-0",
    ],
)
def test_a_rule_of_the_right_shape_is_taken(rule: str) -> None:
    assert SchemaRule(rule).rule == rule


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("", "it"),
        ("com.acme/event/jsonschema/1-0-0", "it"),
        ("IGLU:com.acme/event/jsonschema/1-0-0", "it"),
        ("iglu:iglu:com.acme/event/jsonschema", "it"),
        ("iglu:com.acme/event/1-0-0", "it"),
        ("iglu:com.acme/event/jsonschema/1-0-0/x", "it"),
        ("iglu:com/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:com.*/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:*.acme/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:*/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:com.acme.*.x/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:com.acme.a*/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:com..acme/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:com.acme./event/jsonschema/1-0-0", "the vendor"),
        ("iglu:com.äcme/event/jsonschema/1-0-0", "the vendor"),
        ("iglu:com.acme/ev*/jsonschema/1-0-0", "the name"),
        ("iglu:com.acme//jsonschema/1-0-0", "the name"),
        ("iglu:com.acme/ev ent/jsonschema/1-0-0", "the name"),
        ("iglu:com.acme/event/json*/1-0-0", "the format"),
        ("iglu:com.acme/event/jsonschema/1-0", "the version"),
        ("iglu:com.acme/event/jsonschema/1-0-0-0", "the version"),
        ("iglu:com.acme/event/jsonschema/0-0-0", "the version"),
        ("iglu:com.acme/event/jsonschema/01-0-0", "the version"),
        ("iglu:com.acme/event/jsonschema/1-00-0", "the version"),
        ("iglu:com.acme/event/jsonschema/1-0-0\n", "the version"),
        ("iglu:com.acme/event/jsonschema/1-٣-0", "the version"),
        ("iglu:com.acme/event/jsonschema/1--0", "the version"),
        ("iglu:com.acme/event/jsonschema/x-0-0", "the version"),
        ("iglu:com.acme/event/jsonschema/1-0-1*", "the version"),
    ],
)
def test_a_wrong_rule_is_an_error_that_names_rule_part_and_cure(rule: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^rule .*: {part} must ") as caught:
        SchemaRule(rule)

    assert repr(rule) in str(caught.value)


def test_a_rule_that_is_no_text_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="must be a text"):
        SchemaRule(5)  # type: ignore[arg-type] # the mistake


def test_a_long_wrong_rule_is_shown_in_part() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SchemaRule("x" * 100_000)

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("rule", "schema", "matches"),
    [
        # G7
        ("iglu:com.acme/*/jsonschema/*-*-*", acme(), True),
        ("iglu:com.acme/*/jsonschema/*-*-*", acme("com.snowplow"), False),
        ("iglu:com.acme.*/*/jsonschema/*-*-*", acme("com.acme.marketing"), True),
        ("iglu:com.acme.*/*/jsonschema/*-*-*", acme("com.acme.marketing.foo"), False),
        ("iglu:com.acme.*/*/jsonschema/*-*-*", acme(), False),
        # every number counts, the last one too, which Android leaves out
        ("iglu:com.acme/*/jsonschema/1-2-3", acme(version="1-2-3"), True),
        ("iglu:com.acme/*/jsonschema/1-2-3", acme(version="1-2-4"), False),
        ("iglu:com.acme/*/jsonschema/1-2-3", acme(version="1-3-3"), False),
        ("iglu:com.acme/*/jsonschema/1-2-3", acme(version="2-2-3"), False),
        ("iglu:com.acme/*/jsonschema/1-*-3", acme(version="1-7-3"), True),
        # an event's schema has no dots in name or format, no wildcards, no newline
        ("iglu:com.acme/a.b/jsonschema/*-*-*", acme(name="a.b"), False),
        ("iglu:com.acme/*/jsonschema/*-*-*", acme(name="a.b"), False),
        ("iglu:com.acme/*/jsonschema/*-*-*", acme(name="*"), False),
        ("iglu:com.acme/*/jsonschema/*-*-*", acme() + "\n", False),
        ("iglu:com.acme/*/jsonschema/*-*-*", acme(version="0-0-1"), False),
        ("iglu:com.acme/event/jsonschema/*-*-*", acme(name="Event"), False),
    ],
)
def test_a_rule_matches_part_by_part(rule: str, schema: str, *, matches: bool) -> None:
    assert SchemaRule(rule).matches(schema) is matches
    assert SchemaRuleset(allow=[rule]).matches(schema) is matches


def test_equal_rules_compare_equal() -> None:
    rule = "iglu:com.acme/*/jsonschema/*-*-*"

    assert SchemaRule(rule) == SchemaRule(rule)
    assert hash(SchemaRule(rule)) == hash(SchemaRule(rule))
    assert SchemaRule(rule) != SchemaRule(acme())
    assert SchemaRuleset(allow=[rule]) == SchemaRuleset(allow=(rule,))


def test_what_denies_is_stronger_than_what_allows() -> None:
    """G5, G8."""
    allow = ["iglu:com.snowplowanalytics.*/*/jsonschema/*-*-*"]
    deny = ["iglu:com.snowplowanalytics.mobile/*/jsonschema/*-*-*"]

    both = SchemaRuleset(allow=allow, deny=deny)

    assert [both.matches(schema) for schema in (None, MOBILE, TIMING, acme())] == [
        False,
        False,
        True,
        False,
    ]


def test_only_deny_leaves_everything_else_and_only_allow_nothing_else() -> None:
    """G8; an event without a schema is let through by neither."""
    rule = ["iglu:com.acme/*/jsonschema/*-*-*"]

    denying, allowing = SchemaRuleset(deny=rule), SchemaRuleset(allow=rule)

    assert [denying.matches(schema) for schema in (None, acme(), MOBILE)] == [False, False, True]
    assert [allowing.matches(schema) for schema in (None, acme(), MOBILE)] == [False, True, False]


def test_a_ruleset_keeps_what_it_was_given_whatever_becomes_of_the_list() -> None:
    allow = ["iglu:com.acme/*/jsonschema/*-*-*"]
    ruleset = SchemaRuleset(allow=allow)

    allow.append("iglu:com.snowplowanalytics.*/*/jsonschema/*-*-*")

    assert not ruleset.matches(MOBILE)
    assert ruleset.allow == ("iglu:com.acme/*/jsonschema/*-*-*",)


def test_what_a_ruleset_remembers_is_bounded_and_stays_right() -> None:
    ruleset = SchemaRuleset(allow=["iglu:com.acme/*/jsonschema/1-*-*"])

    for number in range(5000):
        assert ruleset.matches(acme(version=f"1-{number}-0"))
        assert not ruleset.matches(acme(version=f"2-{number}-0"))

    assert len(ruleset._answers) <= 1024


def test_a_match_costs_less_than_a_microsecond() -> None:
    """The best of several rounds: what the machine does besides does not count."""
    ruleset = SchemaRuleset(
        allow=[f"iglu:com.acme.v{number}.*/*/jsonschema/*-*-*" for number in range(50)],
        deny=[acme(f"com.acme.v{number}") for number in range(50)],
    )
    rounds, matches = [], 20_000
    for _ in range(10):
        started = time.perf_counter()
        for _ in range(matches):
            ruleset.matches(TIMING)
        rounds.append(time.perf_counter() - started)

    assert min(rounds) / matches < 1e-6


# --- against an oracle that shares nothing with the code: one regular expression a rule -----------

_PARTS = st.sampled_from(["com", "acme", "a-b", "X_1", "*", "", "a*", "é"])
_NAMES = st.sampled_from(["event", "e-v_1", "a.b", "*", "", "e*", "ev ent"])
_NUMBERS = st.sampled_from(["0", "1", "2", "10", "*", "01", "", "x"])
_ENDS = st.sampled_from(["", "", "", "", "\n", " ", "/"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Rules and schemas, right ones and nearly right ones."""
    vendor = ".".join(draw(st.lists(_PARTS, min_size=1, max_size=4)))
    version = "-".join(draw(st.lists(_NUMBERS, min_size=2, max_size=4)))
    prefix = draw(st.sampled_from(["iglu:", "iglu:", "iglu:", "iglu", ""]))
    names = f"{draw(_NAMES)}/{draw(_NAMES)}"
    return f"{prefix}{vendor}/{names}/{version}{draw(_ENDS)}"


_VALID_RULE = re.compile(
    r"iglu:[\w-]+\.[\w-]+(\.[\w-]+)*(\.\*)*/([\w.-]+|\*)/([\w.-]+|\*)"
    r"/([1-9]\d*|\*)-(0|[1-9]\d*|\*)-(0|[1-9]\d*|\*)\Z",
    re.ASCII,
)
_VALID_EVENT = re.compile(
    r"iglu:[\w-]+(\.[\w-]+)+/[\w-]+/[\w-]+/[1-9]\d*-(0|[1-9]\d*)-(0|[1-9]\d*)\Z", re.ASCII
)


def oracle(rule: str, schema: str) -> bool:
    wanted = re.escape(rule).replace(r"\*", "[^./-]+")
    # Within names and vendors dashes are letters; in versions they separate.
    head, _, version = wanted.rpartition("/")
    expression = head.replace("[^./-]+", "[^./]+") + "/" + version
    return bool(_VALID_EVENT.match(schema) and re.fullmatch(expression, schema))


def is_taken(rule: str) -> bool:
    try:
        SchemaRule(rule)
    except ConfigurationError:
        return False
    return True


@given(texts())
def test_a_rule_is_taken_exactly_where_the_syntax_allows_it(rule: str) -> None:
    assert is_taken(rule) == bool(_VALID_RULE.match(rule))


@given(
    rules=st.lists(texts().filter(is_taken), max_size=3),
    schema=texts(),
    made_with=st.none() | _NUMBERS,
    allows_all=st.booleans(),
)
def test_a_ruleset_decides_as_its_rules_do(
    rules: list[str], schema: str, made_with: str | None, *, allows_all: bool
) -> None:
    """Schemas are also made from rules, so that enough of them match."""
    if rules and made_with is not None:
        schema = rules[len(schema) % len(rules)].replace("*", made_with)
    allow = None if allows_all else rules[1:]
    deny = rules[:1]

    denied = any(oracle(rule, schema) for rule in deny)
    allowed = allow is None or any(oracle(rule, schema) for rule in allow)
    ruleset = SchemaRuleset(allow=allow, deny=deny)

    assert ruleset.matches(schema) is (allowed and not denied)
    assert ruleset.matches(schema) is (allowed and not denied)  # remembered
    for rule in rules:
        assert SchemaRule(rule).matches(schema) is oracle(rule, schema)
