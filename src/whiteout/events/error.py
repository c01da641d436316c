"""Errors of the app, and of the tracker itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from whiteout.events.code_names import MAX_NAME
from whiteout.events.described import DescribedEvent, optional, required
from whiteout.events.event import check_common
from whiteout.events.properties import MAX_INT32, check_properties, properties_of, wire
from whiteout.events.stack_trace import MAX_MESSAGE, MAX_STACK_TRACE, summarise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from whiteout.protocol.self_describing import SelfDescribingJson

_LANGUAGES = tuple(
    "JAVA SCALA KOTLIN GROOVY RUBY GOLANG JAVASCRIPT PHP PYTHON OBJECTIVEC SWIFT C CPLUSPLUS "
    "CSHARP ACTIONSCRIPT LUA RUST HASKELL CLOJURE ERLANG ELIXIR CRYSTAL PONY NIM".split()
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ApplicationError(DescribedEvent):
    """Something failed in the app. Texts that are too long are cut, not refused.

    Messages and traces may say anything of anybody. Under user anonymity `tracker.scrubbing`
    leaves the kind of error and the places in the code, in the form that `from_exception` gives.

    Args:
        message: at most 2048 characters; never empty.
        programming_language: one of those that the schema lists.
        thread_name: at most 1024 characters.
        thread_id: 0 to 2,147,483,647.
        stack_trace: at most 8192 characters.
        cause_stack_trace: the same, of the exceptions that led to this one.
        line_number: where it was raised.
        line_column: the same.
        class_name: the class or module that raised it; at most 1024 characters.
        exception_name: the type of the exception; at most 1024 characters.
        file_name: at most 1024 characters.
        is_fatal: whether the app ended of it.

    Raises:
        ConfigurationError: as `DescribedEvent`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/application_error/jsonschema/1-0-2"
    DESCRIPTION: ClassVar[str] = "Something failed in the app"

    message: str = required("message", "string", "What went wrong", max_length=MAX_MESSAGE)
    programming_language: str = field(
        default="PYTHON",
        metadata=wire(
            name="programmingLanguage",
            type="string",
            required=True,
            choices=_LANGUAGES,
            description="What the app is written in",
        ),
    )
    thread_name: str | None = optional(
        "threadName", "string", "The thread that it happened in", max_length=MAX_NAME
    )
    thread_id: int | None = optional(
        "threadId", "integer", "The number of that thread", minimum=0, maximum=MAX_INT32
    )
    stack_trace: str | None = optional(
        "stackTrace", "string", "How the code came there", max_length=MAX_STACK_TRACE
    )
    cause_stack_trace: str | None = optional(
        "causeStackTrace", "string", "The errors that led to this one", max_length=MAX_STACK_TRACE
    )
    line_number: int | None = optional(
        "lineNumber", "integer", "The line that raised it", minimum=0, maximum=MAX_INT32
    )
    class_name: str | None = optional(
        "className", "string", "The class or module that raised it", max_length=MAX_NAME
    )
    exception_name: str | None = optional(
        "exceptionName", "string", "The type of the exception", max_length=MAX_NAME
    )
    is_fatal: bool | None = optional("isFatal", "boolean", "Whether the app ended of it")
    line_column: int | None = optional(
        "lineColumn", "integer", "The column of that line", minimum=0, maximum=MAX_INT32
    )
    file_name: str | None = optional(
        "fileName", "string", "The file of that line", max_length=MAX_NAME
    )

    def __post_init__(self) -> None:
        _cut_texts(self)
        check_common(self.entities, self.true_timestamp)
        check_properties(self)

    @classmethod
    def from_exception(
        cls,
        exception: BaseException,
        *,
        is_fatal: bool = False,
        entities: Sequence[SelfDescribingJson] = (),
        true_timestamp: datetime | None = None,
    ) -> Self:
        """The event for an exception, to be made on the thread that it is of.

        Nothing of the exception is kept but text: no frame, no local variable.

        Args:
            exception: with its traceback, causes and members.
            is_fatal: whether the app ended of it.
            entities: of the app's own.
            true_timestamp: when it happened, if that was not just now.
        """
        summary = summarise(exception)
        thread_id = threading.get_native_id()
        return cls(
            message=summary.message,
            thread_name=threading.current_thread().name,
            thread_id=thread_id if thread_id <= MAX_INT32 else None,
            stack_trace=summary.stack_trace,
            cause_stack_trace=summary.cause_stack_trace,
            line_number=summary.line_number,
            class_name=summary.class_name,
            exception_name=summary.name,
            is_fatal=is_fatal,
            file_name=summary.file_name,
            entities=entities,
            true_timestamp=true_timestamp,
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrackerError(DescribedEvent):
    """Something failed in the tracker. Texts that are too long are cut, not refused.

    Args:
        source: the part of the tracker; the native trackers' name for `className`.
        message: at most 2048 characters; never empty.
        stack_trace: at most 8192 characters.
        exception_name: at most 1024 characters.

    Raises:
        ConfigurationError: as `DescribedEvent`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/diagnostic_error/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "Something failed in the tracker"

    message: str = required(
        "message", "string", "What went wrong", min_length=0, max_length=MAX_MESSAGE
    )
    source: str | None = optional(
        "className", "string", "The part of the tracker", min_length=0, max_length=MAX_NAME
    )
    stack_trace: str | None = optional(
        "stackTrace", "string", "How it came there", min_length=0, max_length=MAX_STACK_TRACE
    )
    exception_name: str | None = optional(
        "exceptionName", "string", "The type of the error", min_length=0, max_length=MAX_NAME
    )

    def __post_init__(self) -> None:
        _cut_texts(self)
        check_common(self.entities, self.true_timestamp)
        check_properties(self)


def _cut_texts(event: ApplicationError | TrackerError) -> None:
    for attribute, definition in properties_of(type(event)).items():
        value, limit = getattr(event, attribute), definition.max_length
        if limit is not None and isinstance(value, str) and len(value) > limit:
            object.__setattr__(event, attribute, value[:limit])
