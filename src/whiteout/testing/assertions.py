"""The assertions of whatever receives events in this test; see `Arrivals` for what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.testing.arrivals import current_arrivals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.identifiers import Anonymisation, Identifier
    from whiteout.testing.arrivals import Kind
    from whiteout.testing.received import ReceivedEvent


def assert_tracked(kind: Kind, /, **properties: Any) -> ReceivedEvent:  # noqa: ANN401 - any JSON
    """As `Arrivals.assert_tracked`: `assert_tracked(ScreenView, name="Checkout")`.

    Args:
        kind: an event type, an event, the Iglu URI of a schema, or the event's name.
        **properties: what the event has.

    Raises:
        AssertionError: there is none; says what came nearest, field by field.
        NothingToAskError: nothing receives events here.
        TypeError: there is no such kind or property.
    """
    __tracebackhide__ = True
    return current_arrivals().assert_tracked(kind, **properties)


def assert_not_tracked(kind: Kind, /, **properties: Any) -> None:  # noqa: ANN401 - any JSON
    """As `Arrivals.assert_not_tracked`.

    Args:
        kind: as in `assert_tracked`.
        **properties: as in `assert_tracked`.

    Raises:
        AssertionError: there is one.
        NothingToAskError: nothing receives events here.
        TypeError: there is no such kind or property.
    """
    __tracebackhide__ = True
    current_arrivals().assert_not_tracked(kind, **properties)


def assert_no_failed_events() -> None:
    """As `Arrivals.assert_no_failed_events`.

    Raises:
        AssertionError: some have failed; with the reasons and the places in their schemas.
        NothingToAskError: nothing receives events here.
    """
    __tracebackhide__ = True
    current_arrivals().assert_no_failed_events()


def assert_anonymous(
    level: Anonymisation, *, identifying_properties: Sequence[Identifier] = ()
) -> None:
    """As `Arrivals.assert_anonymous`: `assert_anonymous(Anonymisation.FULL)`.

    Args:
        level: what must be hidden.
        identifying_properties: the app's own marks, as `TrackerConfiguration` has them.

    Raises:
        AssertionError: an event gives away more, or nothing has arrived.
        ConfigurationError: `level` hides nothing.
        NothingToAskError: nothing receives events here.
    """
    __tracebackhide__ = True
    current_arrivals().assert_anonymous(level, identifying_properties=identifying_properties)
