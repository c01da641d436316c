"""Reading remote files: what is taken, what is refused, what is said about it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tracker.remote.samples import NETWORK, SCHEMA, a_bundle, a_document, a_file

from whiteout.errors import ProtocolError
from whiteout.tracker.configuration import BufferOption, DevicePlatform, HttpMethod
from whiteout.tracker.remote.document import MAX_BUNDLES, MAX_BYTES, Document, parse


def read(content: bytes) -> tuple[Document, list[str]]:
    notes: list[str] = []
    document = parse(content, lambda where, what: notes.append(what))
    return document, notes


def test_r1_a_file_is_read_with_the_sections_that_it_has_and_no_others() -> None:
    content = a_file(
        a_bundle(
            "default1",
            tracker={"appId": "id", "devicePlatform": "mob", "base64encoding": False},
            session={"foregroundTimeout": 60, "backgroundTimeout": 60},
            emitter={
                "bufferOption": "HeavyGroup",
                "customRetryForStatusCodes": {"500": True},
                "serverAnonymisation": True,
            },
            network={"endpoint": "https://collector.example.com", "method": "get"},
        ),
        a_bundle("default2", network=None, subject={"useragent": "agent"}),
        version=12,
    )

    document, notes = read(content)

    assert notes == []
    assert document.version == 12
    first, second = document.bundles["default1"], document.bundles["default2"]
    assert first.sections == {
        "network": {"endpoint": "https://collector.example.com", "method": HttpMethod.GET},
        "tracker": {
            "app_id": "id",
            "device_platform": DevicePlatform.MOBILE,
            "base64_encoding": False,
        },
        "session": {"foreground_timeout": 60, "background_timeout": 60},
        "emitter": {
            "buffer_option": BufferOption.LARGE_GROUP,
            "custom_retry_for_status_codes": {500: True},
            "server_anonymisation": True,
        },
    }
    assert second.sections == {"subject": {"user_agent": "agent"}}
    assert not second.has_network


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("Single", BufferOption.SINGLE),
        ("SmallGroup", BufferOption.SMALL_GROUP),
        ("DefaultGroup", BufferOption.SMALL_GROUP),
        ("LargeGroup", BufferOption.LARGE_GROUP),
        ("HeavyGroup", BufferOption.LARGE_GROUP),
    ],
)
def test_every_name_of_a_buffer_option_is_known(text: str, option: BufferOption) -> None:
    document = a_document(a_bundle(emitter={"bufferOption": text}))

    assert document.bundles["shop"].sections["emitter"] == {"buffer_option": option}


@pytest.mark.parametrize("revision", ["1-0-0", "1-0-1", "1-2-0"])
def test_every_version_1_of_the_schema_is_taken(revision: str) -> None:
    schema = SCHEMA.replace("1-0-0", revision)

    assert parse(a_file(a_bundle(), schema=schema), lambda where, what: None).version == 1


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA.replace("1-0-0", "2-0-0"),
        SCHEMA.replace("1-0-0", "10-0-0"),
        SCHEMA.replace("remote_config", "other"),
        "",
        None,
        1,
        [SCHEMA],
    ],
)
def test_r4_another_schema_is_refused(schema: object) -> None:
    with pytest.raises(ProtocolError, match="schema"):
        read(a_file(a_bundle(), schema=schema))


@pytest.mark.parametrize("version", [None, "1", True, 1.0, -1, 2**31])
def test_a_version_that_is_no_whole_number_in_range_refuses_the_file(version: object) -> None:
    with pytest.raises(ProtocolError, match="configurationVersion"):
        read(a_file(a_bundle(), version=version))


@pytest.mark.parametrize("namespace", [None, 7, "", "x" * 129, "\ud800", ["shop"]])
def test_a_bundle_of_nobody_refuses_the_file(namespace: object) -> None:
    """Whom its word is about is not known, so it could be about any."""
    with pytest.raises(ProtocolError, match="namespace"):
        read(a_file(a_bundle(namespace)))


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("tracker", "userAnonymisation", "true"),
        ("tracker", "sessionContext", 0),
        ("tracker", "appId", 12),
        ("tracker", "base64encoding", []),
        ("tracker", "platformContextProperties", "carrier"),
        ("tracker", "devicePlatform", 3),
        ("session", "foregroundTimeout", "60"),
        ("session", "backgroundTimeout", True),
        ("emitter", "emitRange", 2.5),
        ("emitter", "serverAnonymisation", {}),
        ("emitter", "customRetryForStatusCodes", {"five": True}),
        ("emitter", "customRetryForStatusCodes", {"500": "yes"}),
        ("subject", "userId", 5),
    ],
)
def test_a_value_of_another_type_refuses_its_bundle_and_names_the_field(
    section: str, field: str, value: object
) -> None:
    document, notes = read(a_file(a_bundle("bad", **{section: {field: value}}), a_bundle("good")))

    assert list(document.bundles) == ["good"]
    assert document.unsure == {"bad"}
    assert len(notes) == 1
    assert f"{section}Configuration.{field}" in notes[0]


@pytest.mark.parametrize(
    "network",
    [{}, {"method": "post"}, {"endpoint": None}, {"endpoint": ""}, {"endpoint": "https://u@h/"}],
)
def test_a_network_without_a_usable_endpoint_refuses_the_bundle(network: dict[str, Any]) -> None:
    """It is not the same as no network, which disables on purpose."""
    document, notes = read(a_file(a_bundle(network=network)))

    assert document.unsure == {"shop"}
    assert "networkConfiguration.endpoint" in notes[0]


@pytest.mark.parametrize("value", [1, "true", {}, []])
def test_a_disable_field_of_another_type_refuses_the_bundle(value: object) -> None:
    document, notes = read(a_file(a_bundle(disabled=value)))

    assert document.unsure == {"shop"}
    assert "disabled" in notes[0]


def test_a_bundle_can_be_disabled_by_a_field() -> None:
    """L27d."""
    document = a_document(a_bundle("off", disabled=True), a_bundle("on", disabled=False))

    assert document.bundles["off"].is_disabled
    assert not document.bundles["on"].is_disabled


def test_two_bundles_of_one_namespace_are_both_refused() -> None:
    document, notes = read(a_file(a_bundle(), a_bundle(), a_bundle(), a_bundle("other")))

    assert list(document.bundles) == ["other"]
    assert document.unsure == {"shop"}
    assert notes


def test_a_key_twice_refuses_the_file() -> None:
    """Of two words about privacy the looser could win."""
    content = a_file(a_bundle(tracker={"userAnonymisation": True}))
    twice = content.replace(
        b'"userAnonymisation": true', b'"userAnonymisation": true, "userAnonymisation": false'
    )

    with pytest.raises(ProtocolError, match="repeated keys"):
        read(twice)


def test_one_option_under_two_names_is_refused_where_they_differ() -> None:
    differ, notes = read(
        a_file(a_bundle(tracker={"base64encoding": True, "base64Encoding": False}))
    )

    assert differ.unsure == {"shop"}
    assert "base64Encoding" in notes[0]


def test_keys_that_are_not_known_are_passed_over_and_remembered_by_name() -> None:
    bundle = a_bundle(tracker={"appId": "a", "logLevel": "off"}, subject={"mail": "x@example.com"})
    bundle["later"] = {"a": 1}

    document, notes = read(a_file(bundle))

    assert notes == []
    assert document.bundles["shop"].sections["tracker"] == {"app_id": "a"}
    assert document.left_out == {"trackerConfiguration.logLevel"}


def test_null_is_the_same_as_not_given() -> None:
    document = a_document(
        a_bundle(tracker={"devicePlatform": None}, session=None, emitter={"bufferOption": None})
    )

    assert document.bundles["shop"].sections["tracker"] == {}
    assert document.bundles["shop"].sections["emitter"] == {}


def test_a_value_out_of_range_is_left_out_with_a_warning() -> None:
    """The schema allows it, this tracker does not; the rest of the bundle holds."""
    document, notes = read(
        a_file(a_bundle(session={"foregroundTimeout": 0, "backgroundTimeout": 60}))
    )

    assert document.bundles["shop"].sections["session"] == {"background_timeout": 60}
    assert "sessionConfiguration.foregroundTimeout" in notes[0]


def test_a_member_that_is_not_known_is_as_if_not_given_with_a_warning() -> None:
    document, notes = read(
        a_file(a_bundle(tracker={"devicePlatform": "fridge"}, emitter={"bufferOption": "Tsunami"}))
    )

    sections = document.bundles["shop"].sections
    assert (sections["tracker"], sections["emitter"]) == ({}, {})
    assert [note.partition(" ")[0] for note in notes] == [
        "trackerConfiguration.devicePlatform",
        "emitterConfiguration.bufferOption",
    ]


def test_properties_that_are_not_known_make_the_list_shorter() -> None:
    document = a_document(
        a_bundle(tracker={"platformContextProperties": ["batteryLevel", "soul", "appleIdfa"]})
    )

    properties = document.bundles["shop"].sections["tracker"]["platform_context_properties"]
    assert [member.value for member in properties] == ["battery_level", "apple_idfa"]


def test_callbacks_folders_headers_and_senders_cannot_be_set_from_afar() -> None:
    document = a_document(
        a_bundle(
            network={**NETWORK, "requestHeaders": {"X": "y"}, "networkConnection": "x"},
            tracker={"identifyingProperties": [], "platformContextRetriever": {}},
            emitter={"storageDir": "/elsewhere", "requestCallback": "x", "eventStore": "x"},
            session={"onSessionUpdate": "x"},
        )
    )

    assert document.bundles["shop"].sections == {
        "network": {"endpoint": NETWORK["endpoint"], "method": HttpMethod.POST},
        "tracker": {},
        "emitter": {},
        "session": {},
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'"' + b"x" * 100,
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"$schema": NaN}',
        b'{"configurationVersion": ' + b"9" * 100_000 + b"}",
        b" " * (MAX_BYTES + 1),
        a_file(*[a_bundle(str(number)) for number in range(MAX_BUNDLES + 1)]),
        a_file(
            a_bundle(),
            {"namespace": "x", "trackerConfiguration": {"a": [[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}},
        ),
    ],
)
def test_what_is_no_bounded_json_is_refused(content: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(content)


def test_brackets_in_text_do_not_count_as_depth() -> None:
    document = a_document(a_bundle(tracker={"appId": '["\\' + "[{" * 40}))

    assert document.bundles["shop"].sections["tracker"]["app_id"] == '["\\' + "[{" * 40


def test_no_message_repeats_what_the_file_says() -> None:
    name = "alice@example.com"
    _, notes = read(
        a_file(
            a_bundle(name, tracker={"userAnonymisation": name}),
            a_bundle("b", subject={"timezone": [name]}),
            a_bundle("c", emitter={"emitRange": 10**9}, session={name: name}),
        )
    )
    with pytest.raises(ProtocolError) as refusal:
        read(a_file(a_bundle(), schema=name))

    assert len(notes) == 3
    assert name not in " ".join(notes)
    assert name not in str(refusal.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
known_keys = st.sampled_from(
    "endpoint method appId devicePlatform userAnonymisation sessionContext userId timezone "
    "foregroundTimeout bufferOption emitRange customRetryForStatusCodes byteLimitGet "
    "platformContextProperties screenResolution colorDepth base64encoding".split()
)
section_values = st.dictionaries(known_keys, json_values, max_size=5) | json_values
hostile_bundles = st.fixed_dictionaries(
    {"namespace": st.text(max_size=5) | json_values},
    optional={
        "disabled": json_values,
        "networkConfiguration": section_values,
        "trackerConfiguration": section_values,
        "subjectConfiguration": section_values,
        "sessionConfiguration": section_values,
        "emitterConfiguration": section_values,
    },
)


@given(
    st.binary(max_size=300)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.lists(hostile_bundles | json_values, max_size=4).map(
        lambda bundles: a_file(*bundles)  # type: ignore[arg-type] # hostile on purpose
    )
)
def test_no_content_does_anything_but_be_read_or_refused(content: bytes) -> None:
    try:
        document, _ = read(content)
    except ProtocolError:
        return

    assert document.version == 1
    assert not set(document.bundles) & document.unsure
