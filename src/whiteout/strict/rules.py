"""The table of the strict profile, folded so that the gate can apply it."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Entity, EntityProperty, Parameter, parse_mark
from whiteout.strict.coarsening import GONE
from whiteout.strict.table import STRICT_TABLE
from whiteout.strict.urls import URL, plain_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from whiteout.strict.coarsening import Treatment
    from whiteout.strict.profile import SafeProperties
    from whiteout.strict.table import Row

_Function = Callable[[Any], Any]
# For each property that may pass: its function, or the same for what is below it.
_Tree = dict[str, "_Function | _Tree"]


class StrictRules:
    """What passes under the strict profile.

    Args:
        safe_properties: what the app knows to be safe in schemas that the table does not have.
        url_parameters: query keys that URLs keep.
        spared: parameters and properties that pass as they are, whatever their row says.
        rows: the table.

    Raises:
        ConfigurationError: a mark is for a schema that the table itself decides about.
    """

    def __init__(
        self,
        safe_properties: Iterable[SafeProperties],
        url_parameters: Iterable[str],
        spared: Collection[object] = (),
        rows: Iterable[Row] = STRICT_TABLE,
    ) -> None:
        keys = dict.fromkeys(key.lower() for key in url_parameters)
        self._parameters: dict[str, _Function] = {}
        self._families: dict[str, _Tree | None] = {}
        for row in rows:
            function = _whole if row.location in spared else _function(row.treatment, keys)
            match row.location:
                case Parameter(name):
                    if function is not None:
                        self._parameters[name] = function
                case EntityProperty(vendor, name, path):
                    tree = self._families.setdefault(f"iglu:{vendor}/{name}", {})
                    if function is not None and tree is not None:
                        _plant(tree, path, function)
                case Entity(vendor, name):
                    self._families[f"iglu:{vendor}/{name}"] = None if function is None else {}
        decided = frozenset(self._families)
        for mark in safe_properties:
            self._add(mark, decided)

    def parameters(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """The parameters that pass, as coarse as the table says."""
        passed = {}
        for name, value in parameters.items():
            function = self._parameters.get(name)
            if function is not None and (coarse := function(value)) is not GONE:
                passed[name] = coarse
        return passed

    def knows(self, family: str) -> bool:
        """Whether anything of a schema passes, `iglu:vendor/name`."""
        return self._families.get(family) is not None

    def lets_in(self, family: str, name: str) -> bool:
        """Whether anything of a property passes that stands at the top of a schema's data."""
        return name in (self._families.get(family) or {})

    def data(self, family: str, data: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any JSON
        """What passes of an entity's or event's data; None: the entity itself does not.

        Its properties are in the table's order, so that the order tells nothing.
        """
        tree = self._families.get(family)
        return None if tree is None else _passed(data, tree)

    def _add(self, mark: SafeProperties, decided: frozenset[str]) -> None:
        vendor, name, _ = parse_mark(mark.criterion, "any")
        family = f"iglu:{vendor}/{name}"
        if family in decided:
            raise ConfigurationError(
                f"safe_properties must be of schemas of the app's own, got {family}, "
                "about which the strict profile decides itself"
            )
        tree = self._families.setdefault(family, {})
        for path in mark.properties:
            if tree is not None:
                _plant(tree, parse_mark(mark.criterion, path)[2], _whole)


def _function(treatment: Treatment, url_keys: Mapping[str, None]) -> _Function | None:
    if treatment is URL:
        return functools.partial(plain_url, keys=url_keys)
    return treatment.function


def _plant(tree: _Tree, path: tuple[str, ...], function: _Function) -> None:
    """Add a property; where one that contains it is there already, that one counts."""
    for step in path[:-1]:
        below = tree.setdefault(step, {})
        if not isinstance(below, dict):
            return
        tree = below
    tree[path[-1]] = function


def _passed(data: Any, tree: _Tree) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    passed: dict[str, Any] = {}
    if data.__class__ is not dict and not isinstance(data, Mapping):
        return passed
    for name, rule in tree.items():
        if name in data:
            value = data[name]
            if isinstance(value, enum.Enum):
                value = value.value  # as the serialiser will write it
            coarse = _below(value, rule) if rule.__class__ is dict else rule(value)  # type: ignore[operator] # a function, if no dictionary
            if coarse is not GONE:
                passed[name] = coarse
    return passed


def _below(value: Any, tree: Any) -> Any:  # noqa: ANN401 - any JSON; a tree
    """Properties of an object, or of the objects in a list."""
    if isinstance(value, (list, tuple)):
        return [_passed(item, tree) for item in value if isinstance(item, Mapping)]
    return _passed(value, tree) if isinstance(value, Mapping) else GONE


def _whole(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return value
