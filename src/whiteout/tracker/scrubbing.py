"""What free text leaves of an event under user anonymity (leaks L19, L28). Pure.

Messages of errors and notifications may say anything of anybody, and no table can tell what. So the
text goes, and what the code itself is called stays: the type of an error, modules, functions, line
numbers, and the names that the app gave its notifications. Each of the official schemas with such
texts has an allow-list here; a property that is not on it goes.

`scrub` is idempotent, and takes events of the event store as well as those that are being tracked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from whiteout.events.code_names import MAX_NAME, is_dotted_name, is_module_file
from whiteout.events.stack_trace import MAX_MESSAGE, reduced
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable

HIDDEN: Final = "hidden"
"""Stands for a message of which not even the type is known."""

_TOKEN: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,63}([.][A-Za-z][A-Za-z_-]{0,63}){0,9}")
_CODE_THREAD: Final = re.compile(
    r"MainThread|(Thread|Dummy|asyncio|(ThreadPool|ProcessPool)Executor)[-_0-9]+( \(\w{1,100}\))?"
)


def scrub(body: SelfDescribingJson, *, keeps_message: bool = False) -> SelfDescribingJson:
    """The body of an event as it may be under `Anonymisation.USER`.

    The last step of the gate (`tracker.tracker_gate`). Bodies of other schemas are given back as
    they are, which takes 0.2 us.

    Args:
        body: of any event; or an entity, where an app attaches an error to something.
        keeps_message: the app, or the tracker for an error of its own, vouches for the `message` of
            an error; messages within stack traces go all the same.
    """
    rules = _RULES.get(body.schema.rsplit("/", 2)[0])
    if rules is None:
        return body
    data: Mapping[str, Any] = body.data if isinstance(body.data, Mapping) else {}
    passed = {}
    for name, rule in rules.items():
        value = rule(data[name]) if name in data else None
        if value is not None:
            passed[name] = value
    if rules is _NOTIFICATION:
        passed |= {"title": "", "body": ""}  # the schema insists on both, and on no length
    elif rules is _APPLE_NOTIFICATION:
        passed = {"deliveryDate": "", "threadIdentifier": "", "notification": _content({})} | passed
    elif keeps_message and isinstance(data.get("message"), str):
        passed["message"] = data["message"][:MAX_MESSAGE]
    else:
        passed["message"] = passed.get("exceptionName") or HIDDEN
    return SelfDescribingJson(body.schema, passed)


def _trace(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return reduced(value) if isinstance(value, str) else None


def _name(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) and is_dotted_name(value) else None


def _source(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """A part of the tracker: the kind of trouble, `store-failed`, or a module."""
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _file(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) and is_module_file(value) else None


def _thread(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """The names that Python gives threads; an app may name one after a user."""
    return value if isinstance(value, str) and _CODE_THREAD.fullmatch(value) else None


def _count(value: Any) -> int | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, bool) else None


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON
    """A text that the app fixed when it was written: the name of a resource, of an action."""
    return value[:MAX_NAME] if isinstance(value, str) else None


_ERROR: Final[dict[str, Callable[[Any], Any]]] = {
    "programmingLanguage": _name,
    "threadName": _thread,
    # threadId goes: the process has it on both sides of the boundary.
    "stackTrace": _trace,
    "causeStackTrace": _trace,
    "lineNumber": _count,
    "lineColumn": _count,
    "className": _name,
    "exceptionName": _name,
    "fileName": _file,
    "isFatal": _flag,
}
_DIAGNOSTIC: Final[dict[str, Callable[[Any], Any]]] = {
    "className": _source,
    "stackTrace": _trace,
    "exceptionName": _name,
}
_NOTIFICATION: Final[dict[str, Callable[[Any], Any]]] = {
    # Titles, texts and what is put into them address one person; tags, groups and threads may be
    # a conversation; attachments are links; the server knows whom it wrote to at that moment.
    "trigger": _text,
    "action": _text,
    "category": _text,
    "bodyLocKey": _text,
    "titleLocKey": _text,
    "icon": _text,
    "sound": _text,
    "contentAvailable": _flag,
}


def _content(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON
    """Of what a notification says: what the app fixed when it was written."""
    if not isinstance(value, Mapping):
        return None
    kept = {name: _text(value.get(name)) for name in ("sound", "launchImageName")}
    return {"title": "", "body": ""} | {name: text for name, text in kept.items() if text}


_APPLE_NOTIFICATION: Final[dict[str, Callable[[Any], Any]]] = {
    "action": _text,
    "categoryIdentifier": _text,
    "trigger": _text,
    "notification": _content,
}
_RULES: Final = {
    "iglu:com.snowplowanalytics.snowplow/application_error": _ERROR,
    "iglu:com.snowplowanalytics.snowplow/diagnostic_error": _DIAGNOSTIC,
    "iglu:com.snowplowanalytics.mobile/message_notification": _NOTIFICATION,
    "iglu:com.apple/notification_event": _APPLE_NOTIFICATION,
}
