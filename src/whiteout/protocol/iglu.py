"""Iglu schema keys: `iglu:<vendor>/<name>/<format>/<model>-<revision>-<addition>`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from whiteout.errors import ProtocolError

# Source: the pattern of the self-describing meta-schema; `0-0-0` and leading zeros are refused.
_KEY = re.compile(
    r"iglu:([a-zA-Z0-9_.-]{1,128})/([a-zA-Z0-9_-]{1,128})/([a-zA-Z0-9_-]{1,128})"
    r"/([1-9][0-9]{0,8})-(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,8})"
)
_SNAKE_BOUNDARY = re.compile(r"([^A-Z_])([A-Z])")


@dataclass(frozen=True, slots=True, order=True)
class SchemaKey:
    """One version of one schema."""

    vendor: str
    name: str
    format: str
    model: int
    revision: int
    addition: int

    @property
    def version(self) -> str:
        """`model-revision-addition`, for example `1-0-2`."""
        return f"{self.model}-{self.revision}-{self.addition}"

    @property
    def uri(self) -> str:
        """The key as it stands in a self-describing JSON."""
        return f"iglu:{self.path}"

    @property
    def path(self) -> str:
        """The key as a path in a registry: `vendor/name/format/version`."""
        return f"{self.vendor}/{self.name}/{self.format}/{self.version}"

    @property
    def column_suffix(self) -> str:
        """The family's part of a column name: `com_acme_x_link_click_1`.

        Source: the official analytics SDKs (vendor dots and dashes to underscores, name from
        camel case to snake case, then the model).
        """
        vendor = re.sub(r"[.-]", "_", self.vendor).lower()
        name = _SNAKE_BOUNDARY.sub(r"\1_\2", re.sub(r"[.-]", "_", self.name)).lower()
        return f"{vendor}_{name}_{self.model}"


@lru_cache(maxsize=4096)
def parse_schema_key(uri: str) -> SchemaKey:
    """Read an `iglu:` URI.

    Raises:
        ProtocolError: it is not one; the message repeats no more than 200 characters of it.
    """
    match = _KEY.fullmatch(uri)
    if match is None:
        message = f"a schema must look like iglu:com.acme/event/jsonschema/1-0-0, got {uri[:200]!r}"
        raise ProtocolError(message)
    vendor, name, format_, model, revision, addition = match.groups()
    return SchemaKey(vendor, name, format_, int(model), int(revision), int(addition))
