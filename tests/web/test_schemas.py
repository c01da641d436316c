"""The page's own resolver."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whiteout.iglu import EmbeddedRegistry, FolderRegistry, HttpRegistry, Resolver
from whiteout.protocol.iglu import parse_schema_key
from whiteout.web.schemas import Schemas

if TYPE_CHECKING:
    from pathlib import Path

KEY = parse_schema_key("iglu:com.acme/order/jsonschema/1-0-0")


def test_schemas_of_folders_are_listed_with_those_that_came_along(tmp_path: Path) -> None:
    """A registry behind HTTP is not asked: nothing listens there."""
    file = tmp_path / "schemas" / KEY.path
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"type": "object"}))
    nobody = HttpRegistry("http://127.0.0.1:9")
    schemas = Schemas(lambda: Resolver([EmbeddedRegistry(), FolderRegistry(tmp_path), nobody]))

    assert schemas.keys() == {KEY, *EmbeddedRegistry().keys()}
    assert schemas.find(KEY) == {"type": "object"}


def test_a_new_file_is_listed_at_once(tmp_path: Path) -> None:
    """The registry is edited while the page is open."""
    schemas = Schemas(lambda: Resolver([FolderRegistry(tmp_path)]))
    assert schemas.keys() == set()

    file = tmp_path / KEY.path
    file.parent.mkdir(parents=True)
    file.write_text("{}")

    assert schemas.keys() == {KEY}
