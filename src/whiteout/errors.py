"""The exceptions that Whiteout raises.

::

    WhiteoutError
    ├── ConfigurationError   a wrong argument; raised by constructors and setters, never later
    ├── EventStoreError      the event store cannot be read or written
    ├── LogError             the pipeline's durable log cannot be read or written
    └── ProtocolError        bytes that are not the Snowplow protocol

Faults of the world (no network, a full disk) are never raised into the host program by `track()`;
they become counters and at most one log line a minute.
"""


class WhiteoutError(Exception):
    """The root of all exceptions of this package."""


class ConfigurationError(WhiteoutError, ValueError):
    """A wrong argument. The message names the field, the value and the cure."""


class EventStoreError(WhiteoutError):
    """The event store cannot be read or written; raised within the tracker, never into an app."""


class LogError(WhiteoutError):
    """The pipeline's durable log cannot be read or written."""


class ProtocolError(WhiteoutError, ValueError):
    """Bytes or text that are not what the Snowplow protocol says they should be.

    Raised within the pipeline and by its parts; the tracker raises `ConfigurationError` instead.
    """
