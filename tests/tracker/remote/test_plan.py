"""From sources to trackers: order, privacy, disabling, several namespaces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tracker.remote.samples import NETWORK, a_bundle, a_document

from whiteout import (
    Anonymisation,
    ConfigurationError,
    EmitterConfiguration,
    NetworkConfiguration,
    SessionConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.platform_properties import PlatformProperty
from whiteout.tracker.remote.bundle import ConfigurationBundle
from whiteout.tracker.remote.document import following
from whiteout.tracker.remote.plan import Do, Planned, Sources, effective, plan

if TYPE_CHECKING:
    from whiteout.tracker.remote.document import Document

DEFAULT_URL = "https://default.example.com"
NONE, USER, SESSION, SERVER, FULL = (
    Anonymisation.NONE,
    Anonymisation.USER,
    Anonymisation.SESSION,
    Anonymisation.SERVER,
    Anonymisation.FULL,
)


def sources(
    *defaults: ConfigurationBundle,
    remote: Document | None = None,
    default_version: int = -1,
    live: dict[str, dict[str, dict[str, Any]]] | None = None,
    before_fetch: Anonymisation | None = None,
) -> Sources:
    return Sources(
        defaults={bundle.namespace: bundle for bundle in defaults},
        remote=remote,
        default_version=default_version,
        live=live or {},
        before_fetch=before_fetch,
    )


def default(*configurations: object, namespace: str = "shop") -> ConfigurationBundle:
    return ConfigurationBundle.of(namespace, DEFAULT_URL, *configurations)


def the_one(of: Sources) -> Planned:
    (planned,) = effective(of).values()
    return planned


def test_r9_what_the_remote_file_leaves_out_comes_from_the_default_bundle() -> None:
    bundle = default(
        TrackerConfiguration(app_id="app"),
        SubjectConfiguration(user_id="user", domain_user_id="duid1"),
    )
    remote = a_document(a_bundle(subject={"domainUserId": "duid2"}))

    planned = the_one(sources(bundle, remote=remote))

    assert planned.tracker.app_id == "app"
    assert planned.subject == SubjectConfiguration(user_id="user", domain_user_id="duid2")
    assert planned.network.endpoint == NETWORK["endpoint"]


def test_only_keys_that_are_present_count() -> None:
    """Android puts its own defaults for the platform, the app id and the timeouts."""
    bundle = default(
        TrackerConfiguration(app_id="app"),
        SessionConfiguration(foreground_timeout=60, background_timeout=90),
    )
    remote = a_document(
        a_bundle(tracker={"base64encoding": False}, session={"foregroundTimeout": 30})
    )

    planned = the_one(sources(bundle, remote=remote))

    assert planned.tracker.app_id == "app"
    assert planned.tracker.device_platform is None
    assert planned.tracker.base64_encoding is False
    assert planned.session == SessionConfiguration(foreground_timeout=30, background_timeout=90)


def test_live_beats_remote_beats_default_beats_built_in() -> None:
    bundle = default(EmitterConfiguration(emit_range=10, byte_limit_get=11, byte_limit_post=12))
    remote = a_document(a_bundle(emitter={"emitRange": 20, "byteLimitGet": 21}))
    live = {"shop": {"emitter": {"emit_range": 30}}}

    planned = the_one(sources(bundle, remote=remote, live=live))

    assert planned.emitter == EmitterConfiguration(
        emit_range=30, byte_limit_get=21, byte_limit_post=12
    )


def test_a_value_that_was_cleared_live_stays_cleared() -> None:
    bundle = default(SubjectConfiguration(user_id="user"))
    live = {"shop": {"subject": {"user_id": None}}}

    planned = the_one(sources(bundle, remote=a_document(a_bundle()), live=live))

    assert planned.subject.user_id is None


def test_a_remote_file_that_is_not_newer_than_the_default_bundles_sets_only_privacy() -> None:
    """R8, and leak L27c: the stricter word counts, whichever is newer."""
    bundle = default(TrackerConfiguration(app_id="new", user_anonymisation=False))
    remote = a_document(
        a_bundle(tracker={"appId": "old", "userAnonymisation": True}), a_bundle("more"), version=3
    )

    planned = the_one(sources(bundle, remote=remote, default_version=3))

    assert planned.tracker.app_id == "new"
    assert planned.tracker.user_anonymisation is True
    assert planned.network.endpoint == DEFAULT_URL


# --- privacy --------------------------------------------------------------------------------------


def test_l27a_before_any_fetch_everything_is_at_its_most_private() -> None:
    bundle = default(
        TrackerConfiguration(user_anonymisation=False, session_context=True),
        EmitterConfiguration(server_anonymisation=False),
    )

    planned = the_one(sources(bundle))

    assert planned.minimum == FULL
    assert planned.tracker.platform_context is False
    assert planned.tracker.platform_context_properties == ()
    assert planned.tracker.application_context is False


def test_l27a_the_level_before_a_fetch_is_not_written_as_anybodys_decision() -> None:
    """It would be stored, and outlive the fetch (leak L34)."""
    planned = the_one(sources(default()))

    assert planned.tracker.user_anonymisation is None
    assert planned.tracker.session_context is None
    assert planned.emitter.server_anonymisation is None


def test_l27a_a_level_that_the_app_names_holds_before_a_fetch() -> None:
    bundle = default(TrackerConfiguration(session_context=False))

    planned = the_one(sources(bundle, before_fetch=USER))

    assert planned.minimum == USER | SESSION
    assert planned.tracker.platform_context is True


def test_l27a_a_refused_bundle_is_as_private_as_one_before_any_fetch() -> None:
    remote = a_document(a_bundle(tracker={"userAnonymisation": "no"}), a_bundle("other"))

    planned = effective(sources(default(), default(namespace="other"), remote=remote))

    assert planned["shop"].minimum == FULL
    assert planned["other"].minimum == NONE


def test_a_bundle_that_can_no_longer_be_read_keeps_its_options_and_becomes_private() -> None:
    before = a_document(a_bundle(tracker={"appId": "first"}), version=1)
    document = a_document(a_bundle(tracker={"appId": "second", "userAnonymisation": 1}), version=2)

    planned = the_one(sources(default(), remote=following(document, before)))

    assert planned.tracker.app_id == "first"
    assert planned.minimum == FULL


def test_a_namespace_that_the_file_does_not_mention_is_as_its_default_bundle_says() -> None:
    planned = effective(sources(default(), remote=a_document(a_bundle("other"))))

    assert planned["shop"].minimum == NONE
    assert planned["shop"].network.endpoint == DEFAULT_URL


@pytest.mark.parametrize("strict_source", ["default", "remote", "live"])
def test_l27c_the_most_private_of_all_sources_wins(strict_source: str) -> None:
    strict = strict_source == "default"
    bundle = default(
        TrackerConfiguration(user_anonymisation=strict, session_context=not strict),
        EmitterConfiguration(server_anonymisation=strict),
    )
    strict = strict_source == "remote"
    remote = a_document(
        a_bundle(
            tracker={"userAnonymisation": strict, "sessionContext": not strict},
            emitter={"serverAnonymisation": strict},
        )
    )
    strict = strict_source == "live"
    live = {
        "shop": {
            "tracker": {"user_anonymisation": strict, "session_context": not strict},
            "emitter": {"server_anonymisation": strict},
        }
    }

    planned = the_one(sources(bundle, remote=remote, live=live))

    assert planned.tracker.user_anonymisation is True
    assert planned.tracker.session_context is False
    assert planned.emitter.server_anonymisation is True
    # What the user chose live can be taken back; what a bundle demands cannot.
    assert planned.minimum == (NONE if strict_source == "live" else FULL)


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("screen_context", "screenContext"),
        ("screen_engagement_autotracking", "screenEngagementAutotracking"),
        ("lifecycle_autotracking", "lifecycleAutotracking"),
    ],
)
def test_l27c_no_file_switches_on_what_the_app_has_switched_off(option: str, key: str) -> None:
    off: dict[str, Any] = {option: False}
    remote = a_document(a_bundle(tracker={key: True}))

    planned = the_one(sources(default(TrackerConfiguration(**off)), remote=remote))

    assert getattr(planned.tracker, option) is False


def test_l27c_of_two_lists_of_properties_the_common_part_is_sent() -> None:
    bundle = default(
        TrackerConfiguration(
            platform_context_properties=[PlatformProperty.CARRIER, PlatformProperty.SCALE]
        )
    )
    remote = a_document(a_bundle(tracker={"platformContextProperties": ["scale", "language"]}))

    planned = the_one(sources(bundle, remote=remote))

    assert planned.tracker.platform_context_properties == (PlatformProperty.SCALE,)


def test_flags_that_nobody_mentions_stay_unsaid() -> None:
    """L34: the tracker keeps the stricter of what the namespace had."""
    planned = the_one(sources(default(), remote=a_document(a_bundle())))

    assert planned.tracker.user_anonymisation is None
    assert planned.minimum == NONE


def test_at_minimum_writes_the_minimum_into_the_flags() -> None:
    planned = the_one(sources(default())).at_minimum()

    assert planned.tracker.user_anonymisation is True
    assert planned.tracker.session_context is False
    assert planned.emitter.server_anonymisation is True


NATIVE = {
    "user_anonymisation": "userAnonymisation",
    "session_context": "sessionContext",
    "platform_context": "platformContext",
    "application_context": "applicationContext",
    "platform_context_properties": "platformContextProperties",
}
Said = dict[str, Any]
what_one_says = st.fixed_dictionaries(
    {},
    optional={
        "user_anonymisation": st.booleans(),
        "session_context": st.booleans(),
        "server_anonymisation": st.booleans(),
        "platform_context": st.booleans(),
        "application_context": st.booleans(),
        "platform_context_properties": st.lists(
            st.sampled_from(list(PlatformProperty)), max_size=3, unique=True
        ).map(tuple),
    },
)


def of_tracker(said: Said) -> Said:
    return {name: value for name, value in said.items() if name != "server_anonymisation"}


def of_emitter(said: Said) -> Said:
    return {name: value for name, value in said.items() if name == "server_anonymisation"}


def as_file(said: Said, version: int) -> Document:
    tracker = {
        NATIVE[name]: [item.value for item in value] if isinstance(value, tuple) else value
        for name, value in of_tracker(said).items()
    }
    server = said.get("server_anonymisation")
    emitter = {} if server is None else {"serverAnonymisation": server}
    return a_document(a_bundle(tracker=tracker, emitter=emitter), version=version)


def tells_no_more(planned: Planned, said: Said) -> bool:
    """Whether a tracker is at least as private as one source asks for."""
    strict = planned.at_minimum()
    tracker, emitter = strict.tracker, strict.emitter
    listed = said.get("platform_context_properties")
    now = tracker.platform_context_properties
    return (
        (said.get("user_anonymisation") is not True or tracker.user_anonymisation is True)
        and (said.get("session_context") is not False or tracker.session_context is False)
        and (said.get("server_anonymisation") is not True or emitter.server_anonymisation is True)
        and (said.get("platform_context") is not False or not tracker.platform_context)
        and (said.get("application_context") is not False or not tracker.application_context)
        and (listed is None or (now is not None and set(now) <= set(listed)))
    )


def test_the_measure_of_privacy_finds_each_looser_option() -> None:
    """The check itself: a tracker as loose as can be satisfies nobody who asks for anything."""
    loose = the_one(sources(default(), remote=a_document(a_bundle())))

    assert tells_no_more(loose, {})
    for said in (
        {"user_anonymisation": True},
        {"session_context": False},
        {"server_anonymisation": True},
        {"platform_context": False},
        {"application_context": False},
        {"platform_context_properties": ()},
    ):
        assert not tells_no_more(loose, said)


@given(
    app=st.tuples(what_one_says, what_one_says),
    files=st.lists(st.tuples(st.integers(0, 5), what_one_says), max_size=4),
    default_version=st.integers(-1, 5),
    before_fetch=st.none() | st.sampled_from([NONE, USER, FULL]),
)
def test_no_order_of_sources_is_less_private_than_the_most_private_of_them(
    app: tuple[Said, Said],
    files: list[tuple[int, Said]],
    default_version: int,
    before_fetch: Anonymisation | None,
) -> None:
    """Files come one after the other; one that is not newer than the last changes nothing."""
    default_said, live_said = app
    bundle = default(
        TrackerConfiguration(**of_tracker(default_said)),
        EmitterConfiguration(**of_emitter(default_said)),
    )
    before = Sources(
        defaults={"shop": bundle},
        default_version=default_version,
        live={"shop": {"tracker": of_tracker(live_said), "emitter": of_emitter(live_said)}},
        before_fetch=before_fetch,
    )
    running: dict[str, Planned] = {}
    remote_said: Said = {}
    for version, said in [(-1, {}), *files]:
        if version >= 0 and (before.remote is None or version > before.remote.version):
            before = replace(before, remote=following(as_file(said, version), before.remote))
            remote_said = said

        for step in plan(before, running):
            assert step.planned is not None
            running[step.namespace] = step.planned

        planned = running["shop"]
        assert tells_no_more(planned, default_said)
        assert tells_no_more(planned, remote_said)
        assert tells_no_more(planned, live_said)
        if before.remote is None:
            assert (FULL if before_fetch is None else before_fetch) in planned.minimum


# --- what runs ------------------------------------------------------------------------------------


def test_l27d_a_bundle_without_network_disables_a_namespace_that_has_a_default_network() -> None:
    assert effective(sources(default(), remote=a_document(a_bundle(network=None)))) == {}


@pytest.mark.parametrize("default_version", [-1, 9])
def test_l27d_an_explicit_disable_field_holds_whatever_else_is_said(default_version: int) -> None:
    remote = a_document(a_bundle(disabled=True))

    assert effective(sources(default(), remote=remote, default_version=default_version)) == {}


def test_a_default_bundle_can_wait_for_a_network_from_afar() -> None:
    bundle = ConfigurationBundle.of("shop", None, TrackerConfiguration(app_id="app"))

    assert effective(sources(bundle)) == {}
    planned = the_one(sources(bundle, remote=a_document(a_bundle())))
    assert planned.network.endpoint == NETWORK["endpoint"]
    assert planned.tracker.app_id == "app"


def test_steps_create_replace_and_remove_what_differs_and_nothing_else() -> None:
    before = sources(remote=a_document(a_bundle("same"), a_bundle("other"), a_bundle("gone")))
    after = sources(
        remote=a_document(
            a_bundle("same"), a_bundle("other", tracker={"appId": "x"}), a_bundle("new"), version=2
        )
    )

    steps = plan(after, effective(before))

    assert [(step.do, step.namespace) for step in steps] == [
        (Do.REMOVE, "gone"),
        (Do.REPLACE, "other"),
        (Do.CREATE, "new"),
    ]
    assert plan(after, effective(after)) == ()


def test_a_tracker_that_differs_only_in_its_minimum_goes_on() -> None:
    bundle = default()

    steps = plan(
        sources(bundle, remote=a_document(a_bundle("other"))),
        effective(sources(bundle, before_fetch=FULL)),
    )

    assert [(step.do, step.namespace) for step in steps] == [
        (Do.CHANGE_MINIMUM, "shop"),
        (Do.CREATE, "other"),
    ]


def test_values_that_do_not_go_together_leave_the_default_bundle_at_its_most_private() -> None:
    """Live changes that the configuration refuses stand for any such mixture."""
    live = {"shop": {"emitter": {"emit_range": -1}}}
    remote = a_document(a_bundle(tracker={"appId": "remote"}))

    planned = the_one(sources(default(), remote=remote, live=live))

    assert planned.emitter.emit_range == EmitterConfiguration().emit_range
    assert planned.tracker.app_id is None
    assert planned.minimum == FULL


# --- default bundles ------------------------------------------------------------------------------


def test_a_default_bundle_holds_what_was_given() -> None:
    bundle = ConfigurationBundle.of(
        "shop",
        NetworkConfiguration(endpoint="collector.example.com"),
        TrackerConfiguration(app_id="app", session_context=True),
    )

    assert bundle.sections == {
        "network": {"endpoint": "https://collector.example.com"},
        "tracker": {"app_id": "app", "session_context": True},
    }


@pytest.mark.parametrize(
    ("namespace", "configurations", "named"),
    [
        ("", (), "namespace"),
        ("x" * 129, (), "namespace"),
        ("shop", (TrackerConfiguration(), TrackerConfiguration()), "one tracker"),
        ("shop", (NetworkConfiguration(endpoint="https://other.example.com"),), "one network"),
        ("shop", ("text",), "str"),
    ],
)
def test_a_wrong_default_bundle_is_refused_when_made(
    namespace: str, configurations: tuple[object, ...], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ConfigurationBundle.of(namespace, DEFAULT_URL, *configurations)


def test_a_bundle_with_an_option_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="favourite_colour"):
        ConfigurationBundle(namespace="shop", sections={"tracker": {"favourite_colour": "red"}})


def test_a_bundle_does_not_show_who_the_user_is() -> None:
    bundle = default(SubjectConfiguration(user_id="alice"))

    assert "alice" not in repr(bundle)
    assert "alice" not in repr(the_one(sources(bundle)))
