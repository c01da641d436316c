"""What an app may set on a controller is what its class has."""

from __future__ import annotations

from typing import Any


class NoStrayAttributes:
    """A misspelt option raises: else it would change nothing, silently.

    Raises:
        AttributeError: an attribute is set that the class does not have, or only shows.
    """

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401 - of any attribute
        if not name.startswith("_"):
            check_attribute(self, name)
        super().__setattr__(name, value)


def check_attribute(owner: object, name: str) -> None:
    """Refuse an attribute that cannot be set; what an instance keeps for itself has a `_`."""
    kind = type(owner)
    member = next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
    if member is None:
        raise AttributeError(
            f"{kind.__name__} has no option {name!r} that can be set while the tracker runs"
        )
    if isinstance(member, property) and member.fset is None:
        raise AttributeError(
            f"{name} of {kind.__name__} cannot be set while the tracker runs: "
            "what can be said of it is said to whiteout.create_tracker"
        )
