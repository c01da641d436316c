"""References inside a schema stay inside, never lead in a circle and unfold to a bounded size.

Two lines of definitions that each name the next one twice unfold to two to the power of their
number: a validator that follows them never comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

from whiteout.iglu.errors import SchemaError, SchemaIssue

if TYPE_CHECKING:
    from whiteout.protocol.iglu import SchemaKey

MAX_UNFOLDED = 50_000  # subschemas after following every reference
_MAX_CHAIN = 10  # times a depth of 50: stays far from Python's recursion limit


def check_references(key: SchemaKey, schema: dict[str, Any]) -> None:
    """Refuse a schema whose references could harm whoever uses it.

    Raises:
        SchemaError: a `$ref` leads out of the schema or in a circle, or they unfold to too much.
    """
    _Unfolding(key, schema).size_of(schema, "$", ("#",))


class _Unfolding:
    def __init__(self, key: SchemaKey, root: dict[str, Any]) -> None:
        self._key = key
        self._root = root
        self._sizes: dict[str, int] = {}

    def size_of(self, value: object, path: str, open_references: tuple[str, ...]) -> int:
        """How many subschemas `value` has, those behind references too."""
        if isinstance(value, list):
            return sum(self.size_of(item, path, open_references) for item in value)
        if not isinstance(value, dict):
            return 0
        size = 1 + sum(
            self.size_of(item, f"{path}.{name}", open_references)
            for name, item in value.items()
            if name != "enum"  # holds data
        )
        reference = value.get("$ref")
        if isinstance(reference, str):
            size += self._size_behind(reference, path, open_references)
        if size > MAX_UNFOLDED:
            self._refuse(path, "references unfold to too many schemas")
        return size

    def _size_behind(self, reference: str, path: str, open_references: tuple[str, ...]) -> int:
        if not reference.startswith("#"):
            self._refuse(path, "$ref leads out of the schema")
        if reference in open_references:
            self._refuse(path, "$ref leads in a circle")
        if len(open_references) > _MAX_CHAIN:
            self._refuse(path, "$ref leads on too often")
        if reference not in self._sizes:
            target = self._target(reference)
            self._sizes[reference] = self.size_of(target, path, (*open_references, reference))
        return self._sizes[reference]

    def _target(self, reference: str) -> object:
        """What a JSON pointer of the form `#/a/b` leads to; None where it leads nowhere."""
        value: object = self._root
        for step in unquote(reference).removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _refuse(self, path: str, message: str) -> NoReturn:
        raise SchemaError(self._key, [SchemaIssue(path, message)])
