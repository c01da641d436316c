"""Canaries for every identifier, a tracker that carries them all, and searches for them."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.collector import entities, entity
from tests.support.trackers import STATELESS

import whiteout
from whiteout import (
    Anonymisation,
    Answer,
    DevicePlatform,
    EmitterConfiguration,
    NetworkConfiguration,
    OutgoingRequest,
    PlatformContextRetriever,
    ScreenView,
    SessionConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tests.support.collector import Received

    from whiteout import NetworkConnection, Tracker
    from whiteout.tracker.environment import Environment

NONE = Anonymisation.NONE
USER = Anonymisation.USER
SESSION = Anonymisation.SESSION
SERVER = Anonymisation.SERVER
CLIENT = Anonymisation.CLIENT
FULL = Anonymisation.FULL
LEVELS = [Anonymisation(bits) for bits in range(FULL.value + 1)]
ANONYMOUS = [level for level in LEVELS if level & CLIENT]

SUBJECT = {
    "user_id": "canary-user-id",
    "domain_user_id": "canary-domain-user-id",
    "network_user_id": "canary-network-user-id",
    "ip_address": "203.0.113.199",
}
PLATFORM = {
    "apple_idfa": "c0ffee00-0000-4000-8000-000000000001",
    "apple_idfv": "c0ffee00-0000-4000-8000-000000000002",
    "android_idfa": "c0ffee00-0000-4000-8000-000000000003",
    "open_idfa": "c0ffee00-0000-4000-8000-000000000004",
    "app_set_id": "c0ffee00-0000-4000-8000-000000000005",
}
USER_CANARIES = {**SUBJECT, **PLATFORM}
COOKIE = "canary-cookie-of-the-collector"
HEADER = "canary-token-of-the-app"


@dataclass
class Recorder:
    """A network connection that keeps whole requests, and answers as it is told.

    Attributes:
        status: what to answer; None: no answer.
        holding: while set, requests wait until `release` is set, and are recorded before.
    """

    status: int | None = 200
    sends_headers: bool = True
    requests: list[OutgoingRequest] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    release: threading.Event = field(default_factory=threading.Event)
    holding: bool = False

    def send(self, request: OutgoingRequest) -> Answer:
        self.requests.append(request)
        self.arrived.release()
        if self.holding:
            assert self.release.wait(20)
        return Answer(status=self.status)

    def close(self) -> None:
        """Nothing is kept."""

    @property
    def events(self) -> list[dict[str, str]]:
        return [event for request in self.requests for event in events_of(request)]


@dataclass
class Scene:
    """A folder, an endpoint, and the trackers that a test makes there.

    Attributes:
        retrieved: the properties of the platform that were asked for, in order.
    """

    folder: Path
    endpoint: str
    namespace: str = field(default_factory=lambda: f"scene_{uuid.uuid4().hex}")
    retrieved: list[str] = field(default_factory=list)
    _namespaces: set[str] = field(default_factory=set)

    def tracker(  # noqa: PLR0913 - one argument a thing that tests vary
        self,
        level: Anonymisation | None = None,
        *,
        namespace: str | None = None,
        session: SessionConfiguration | None = None,
        subject: Mapping[str, str] = SUBJECT,
        network: Mapping[str, Any] | None = None,
        emitter: Mapping[str, Any] | None = None,
        tracker: Mapping[str, Any] | None = None,
        environment: Environment | None = None,
    ) -> Tracker:
        """A tracker with a canary in every identifier; `level` None: nothing is said of privacy."""
        name = namespace or self.namespace
        self._namespaces.add(name)
        user = session_context = server = None
        if level is not None:
            user, session_context = USER in level, SESSION not in level
            server = SERVER in level
        return whiteout.create_tracker(
            name,
            NetworkConfiguration(endpoint=self.endpoint, **(network or {})),
            TrackerConfiguration(
                user_anonymisation=user,
                session_context=session_context,
                device_platform=DevicePlatform.MOBILE,
                platform_context_retriever=self.retriever(),
                **{**STATELESS, **(tracker or {})},
            ),
            EmitterConfiguration(
                server_anonymisation=server, storage_dir=self.folder, **(emitter or {})
            ),
            session or SessionConfiguration(),
            SubjectConfiguration(**subject),  # type: ignore[arg-type] # all of these are text
            environment=environment,
        )

    def retriever(self) -> PlatformContextRetriever:
        """Answers with the canaries, and notes who was asked for."""

        def callback(name: str, value: str) -> Callable[[], str]:
            def read() -> str:
                self.retrieved.append(name)
                return value

            return read

        basics = {"os_type": "android", "os_version": "14", "device_model": "M"}
        callbacks = {
            name: callback(name, value)
            for name, value in {
                **PLATFORM,
                "app_set_id_scope": "developer",
                **basics,
                "device_vendor": "V",
            }.items()
        }
        return PlatformContextRetriever(**callbacks)  # type: ignore[arg-type] # all give text

    def close(self) -> None:
        for name in self._namespaces:
            whiteout.remove_tracker(name, timeout=0.0)


def recorded(
    scene: Scene,
    recorder: NetworkConnection,
    level: Anonymisation | None = None,
    **more: Any,  # noqa: ANN401 - passed on
) -> Tracker:
    """A tracker whose requests go to `recorder`."""
    network = {**more.pop("network", {}), "network_connection": recorder}
    return scene.tracker(level, network=network, **more)


def screen(name: str = "home") -> ScreenView:
    return ScreenView(name=name)


def events_of(request: OutgoingRequest) -> list[dict[str, str]]:
    """The payloads of a request."""
    if request.body is None:
        return [dict(parse_qsl(urlsplit(request.url).query))]
    events: list[dict[str, str]] = json.loads(request.body)["data"]
    return events


def is_marked(request: OutgoingRequest) -> bool:
    return request.headers.get("SP-Anonymous") == "*"


def text_of(request: Received) -> str:
    """All that a request says, with what is base64 in it opened."""
    opened = [_open(event) for event in request.events]
    return "\n".join([request.path, request.query, str(request.headers), *opened])


def sent_text(request: OutgoingRequest) -> str:
    """The same of a request that a `Recorder` was given."""
    opened = [_open(event) for event in events_of(request)]
    return "\n".join([request.url, str(request.headers), *opened])


def _open(event: dict[str, str]) -> str:
    return json.dumps([event, entities(event), _body(event)])


def _body(event: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON
    text = event.get("ue_px")
    if text is None:
        return event.get("ue_pr")
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def found_in(text: str, canaries: Iterable[str]) -> set[str]:
    """The canaries that are in a text."""
    return {canary for canary in canaries if canary in text}


def found_on_disk(folder: Path, canaries: Iterable[str]) -> dict[str, set[str]]:
    """For each file, the canaries in its raw bytes: as text, and UUIDs as 16 bytes too."""
    wanted = list(canaries)
    found: dict[str, set[str]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        here = {canary for canary in wanted if any(form in content for form in _forms(canary))}
        if here:
            found[path.name] = here
    return found


def _forms(canary: str) -> list[bytes]:
    forms = [canary.encode(), canary.encode("utf-16-le"), base64.b64encode(canary.encode())]
    try:
        forms.append(uuid.UUID(canary).bytes)
    except ValueError:
        return forms
    return forms


def session_of(event: dict[str, str]) -> dict[str, Any]:
    data = entity(event, "client_session")
    assert data is not None
    return data


def by_id(events: Iterable[dict[str, str]], event_id: str | None) -> dict[str, str]:
    (event,) = [event for event in events if event["eid"] == event_id]
    return event
