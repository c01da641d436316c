"""Enrichments from a folder of configuration files, as Snowplow's enrich reads them.

Each file is a self-describing JSON, one enrichment each. Files that configurations name (lists,
databases, scripts, keys) lie in the same folder: nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.complaint import complaint
from whiteout.enrich.enrichments import CURES, KINDS, PYTHON
from whiteout.enrich.enrichments.anonymise_ip import AnonymiseIp
from whiteout.enrich.enrichments.interface import (
    OWN_VENDOR,
    Configuration,
    Enrichment,
    GeoLevel,
    Surroundings,
    Unsupported,
    read_parameters,
)
from whiteout.enrich.enrichments.pseudonymise import Pseudonymise
from whiteout.enrich.masking import is_privacy
from whiteout.errors import ConfigurationError, ProtocolError
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from whiteout.enrich.enrichments.interface import Kind

ANONYMITY = f"iglu:{OWN_VENDOR}/anonymity_config/jsonschema/1-0-0"
"""What is done with anonymous events; not an enrichment, but configured beside them."""

_HOCON = frozenset({".hocon", ".conf"})
_LOGGER = logging.getLogger(__name__)


class Anonymity(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What is done with events of requests marked `SP-Anonymous`.

    Attributes:
        keep_tracker_identifiers: let the tracker's own `ip` and `tnuid` pass (L15).
        geo_level: how finely such an address may be placed.
    """

    keep_tracker_identifiers: bool = False
    geo_level: GeoLevel = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What a folder configures.

    Attributes:
        enrichments: in the order in which they run.
        anonymity: what is done with anonymous events.
        pseudonyms: the one of the enrichments that pseudonymises.
        emits_pii: whether its configuration asks for `pii_transformation` events.
    """

    enrichments: tuple[Enrichment, ...]
    anonymity: Anonymity
    pseudonyms: Pseudonymise | None = None
    emits_pii: bool = False


class _File(msgspec.Struct, forbid_unknown_fields=True):
    schema: str
    data: Configuration


def read_folder(folder: Path, *, unsupported: Unsupported = "refuse") -> Configured:
    """The enrichments that the JSON files of a folder switch on.

    Args:
        folder: with the files.
        unsupported: what becomes of Snowplow's enrichments that are not here: the start is refused,
            or they are left out with a warning. None of these takes anything away from events.

    Raises:
        ConfigurationError: there is no such folder, or a file of it cannot be used; the message
            names the file and the cure.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"--enrichments must be a folder that exists, got {str(folder)!r}")
    _judge_other_formats(folder, unsupported)
    files = [
        (path, file)
        for path in sorted(folder.glob("*.json"))
        if (file := _read(path, unsupported)) is not None
    ]
    return _assemble(folder, files, unsupported)


def _judge_other_formats(folder: Path, unsupported: Unsupported) -> None:
    for path in sorted(folder.iterdir()):
        if path.suffix in _HOCON:  # it may be one that takes away, so it is never left out
            raise ConfigurationError(f"{path.name}: only .json files are read; convert it to JSON")
        if path.suffix == ".js":
            _leave_out(path, f"JavaScript is not run; {PYTHON}", unsupported)


def _leave_out(path: Path, cure: str, unsupported: Unsupported) -> None:
    if unsupported == "refuse":
        raise ConfigurationError(
            f"{path.name}: {cure}; or leave it out with --set enrich.unsupported=warn"
        )
    _LOGGER.warning("%s is left out: %s", path.name, cure)


def _read(path: Path, unsupported: Unsupported) -> _File | None:
    """A configuration that is switched on; None for other JSON, such as a list of sites.

    And for one that is left out.
    """
    content = path.read_bytes()
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name}: not JSON: {error}") from error
    if not isinstance(document, dict) or "schema" not in document:
        return None
    data = document.get("data")
    if isinstance(data, dict) and data.get("enabled") is False:
        return None
    name = _name_of(document)
    if name in CURES:
        _leave_out(path, f"{name}: {CURES[name]}", unsupported)
        return None
    try:
        return msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path.name}: {complaint(error, document, _File)}") from error


def _name_of(document: dict[str, Any]) -> str:
    """The name in the schema, else the one in the data; empty where there is neither."""
    with contextlib.suppress(ProtocolError, TypeError):
        return parse_schema_key(document["schema"]).name
    data = document.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) else ""


def _assemble(
    folder: Path, files: Iterable[tuple[Path, _File]], unsupported: Unsupported
) -> Configured:
    found: list[tuple[int, Path, Configuration]] = []
    anonymity = Anonymity()
    for path, file in files:
        try:
            if file.schema == ANONYMITY:
                anonymity = read_parameters(file.data, Anonymity)
                continue
            order = _order_of(file)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path.name}: {error}") from error
        if not KINDS[order].repeatable and any(order == other for other, *_ in found):
            raise ConfigurationError(
                f"{path.name}: {file.data.name} is configured twice; remove one of the files"
            )
        found.append((order, path, file.data))
    found.sort(key=lambda one: one[:2])
    return _make(folder, found, anonymity, unsupported)


def _make(
    folder: Path,
    found: list[tuple[int, Path, Configuration]],
    anonymity: Anonymity,
    unsupported: Unsupported,
) -> Configured:
    """Make them, those first that take away: the others ask what is hidden."""
    privacy = _Privacy()
    made: dict[Path, Enrichment] = {}
    for order, path, configuration in sorted(found, key=lambda one: not KINDS[one[0]].is_privacy):
        surroundings = Surroundings(
            folder=folder,
            mask_address=privacy.address.mask_address if privacy.address else None,
            key_of=privacy.pseudonyms.key_of if privacy.pseudonyms else None,
            hidden_parameters=privacy.hidden,
            anonymous_geo=anonymity.geo_level,
            unsupported=unsupported,
        )
        made[path] = enrichment = _make_one(KINDS[order], path, configuration, surroundings)
        privacy.add(enrichment, configuration)
    return Configured(
        enrichments=tuple(made[path] for _, path, _ in found),
        anonymity=anonymity,
        pseudonyms=privacy.pseudonyms,
        emits_pii=privacy.emits_pii,
    )


@dataclass(slots=True)
class _Privacy:
    """What takes away, as far as it is made."""

    address: AnonymiseIp | None = None
    pseudonyms: Pseudonymise | None = None
    emits_pii: bool = False
    hidden: frozenset[str] = frozenset()

    def add(self, enrichment: Enrichment, configuration: Configuration) -> None:
        if isinstance(enrichment, AnonymiseIp):
            self.address = enrichment
        if isinstance(enrichment, Pseudonymise):
            self.pseudonyms, self.emits_pii = enrichment, bool(configuration.emit_event)
        if is_privacy(enrichment):
            self.hidden |= enrichment.hidden_parameters


def _make_one(
    kind: Kind, path: Path, configuration: Configuration, surroundings: Surroundings
) -> Enrichment:
    try:
        return kind.make(configuration, surroundings)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path.name}: {error}") from error


def _order_of(file: _File) -> int:
    """The place of an enrichment in the order.

    Raises:
        ConfigurationError: there is no such enrichment, or not in this version.
    """
    try:
        key = parse_schema_key(file.schema)
    except ProtocolError as error:
        raise ConfigurationError(str(error)) from error
    for order, kind in enumerate(KINDS):
        if (key.vendor, key.name) != (kind.vendor, kind.name):
            continue
        newest = parse_schema_key(kind.schema)
        is_read = (key.model, key.revision) == (newest.model, newest.revision) and (
            key.addition <= newest.addition
        )
        if not is_read and key.version not in kind.older:
            raise ConfigurationError(
                f"{key.name} is read up to version {newest.version} of its configuration, got"
                f" {key.version}; write it in that version"
            )
        return order
    known = ", ".join(kind.name for kind in KINDS)
    raise ConfigurationError(
        f"there is no enrichment {key.vendor}/{key.name}; remove the file or set enabled to false."
        f" There are: {known}"
    )
