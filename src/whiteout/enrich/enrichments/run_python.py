"""A function of the user's, in Python, run in a process of its own with a time limit.

It stands where Snowplow has its JavaScript enrichment, and takes its place in the order: it sees
what the enrichments before added, and IP anonymisation and pseudonyms come after it. The address
it sees is the masked one all the same (W8), unless its configuration asks for the whole.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.conversions import ConversionError, text
from whiteout.enrich.enrichments.extract_headers import identifies
from whiteout.enrich.enrichments.interface import (
    OWN_VENDOR,
    Asset,
    Configuration,
    DropEventError,
    EnrichmentError,
    Kind,
    Surroundings,
    read_parameters,
)
from whiteout.enrich.event import read_column
from whiteout.enrich.python_process import ProcessError, PythonProcess
from whiteout.errors import ConfigurationError
from whiteout.protocol.self_describing import SelfDescribingJson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request

_FIXED = frozenset({"event_id", "collector_tstamp", "v_collector", "v_etl", "etl_tstamp"})
_JSON_COLUMNS = frozenset({"contexts", "unstruct_event", "derived_contexts"})


class RunPython:
    """Runs a function on each event.

    The function gets the event (the columns by name that are not null, as text;
    `unstruct_event`, `contexts` and `derived_contexts` as JSON), the request's headers, and the
    configured `config`. It may change the event, return entities to add, or raise `DropEvent`.

    Args:
        process: runs it.
        mask_address: what IP anonymisation makes of an address; where there is one, headers that
            may name the address do not reach the function either.
    """

    schema = f"iglu:{OWN_VENDOR}/python_script_config/jsonschema/1-0-0"
    identifier = "python-script"
    rewrites = True  # what the tracker sent may be changed, and is validated again

    def __init__(
        self,
        process: PythonProcess,
        *,
        mask_address: Callable[[str], str | None] | None = None,
    ) -> None:
        self._process = process
        self._mask_address = mask_address

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """What the function returned."""
        message = {"event": _as_json(event), "headers": list(request.payload.headers)}
        if self._mask_address is not None:
            _hide_address(message, self._mask_address)
        try:
            answer = self._process.call(message)
        except ProcessError as error:
            raise EnrichmentError(f"the function failed: {error}") from error
        if answer.get("drop"):
            raise DropEventError
        if "error" in answer:
            raise EnrichmentError(f"the function raised {answer['error']}")
        columns = {name: _column(name, value) for name, value in answer["columns"].items()}
        entities = [_json(entity) for entity in answer["entities"]]
        parts = answer["parts"]
        unstruct, contexts = event.unstruct_event, event.contexts
        if "unstruct_event" in parts:
            unstruct = parts["unstruct_event"] and _json(parts["unstruct_event"])
        if "contexts" in parts:
            contexts = _list(parts["contexts"])
        if "derived_contexts" in parts:
            entities = _list(parts["derived_contexts"]) + entities
            event.derived_contexts = []
        for name, value in columns.items():  # only now: half a change would be none of the user's
            event.fields[COLUMN_INDEX[name]] = value
        event.unstruct_event, event.contexts = unstruct, contexts
        return entities


def _as_json(event: EnrichedEvent) -> dict[str, Any]:
    columns: dict[str, Any] = {
        column.name: value
        for column, value in zip(ATOMIC_COLUMNS, event.fields, strict=True)
        if value is not None
    }
    unstruct = event.unstruct_event
    columns["unstruct_event"] = None if unstruct is None else unstruct.as_dict()
    columns["contexts"] = [entity.as_dict() for entity in event.contexts]
    columns["derived_contexts"] = [entity.as_dict() for entity in event.derived_contexts]
    return columns


def _hide_address(message: dict[str, Any], mask: Callable[[str], str | None]) -> None:
    address = message["event"].pop("user_ipaddress", None)
    masked = None if address is None else mask(address)
    if masked is not None:
        message["event"]["user_ipaddress"] = masked
    message["headers"] = [
        header for header in message["headers"] if not identifies(header.partition(":")[0])
    ]


def _column(name: str, value: object) -> str | None:
    if name not in COLUMN_INDEX or name in _FIXED or name in _JSON_COLUMNS:
        raise EnrichmentError(f"the function set {name[:60]!r}, which is no column it may set")
    if isinstance(value, bool):
        value = "1" if value else "0"
    elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise EnrichmentError(f"the function set {name} to what is neither text nor number")
    cleaned = None if value is None else text(value)
    if cleaned is not None:
        try:
            read_column(name, cleaned)
        except (ValueError, ConversionError) as error:
            kind = ATOMIC_COLUMNS[COLUMN_INDEX[name]].type
            raise EnrichmentError(f"the function set {name} to what is no {kind}") from error
    return cleaned


def _json(value: object) -> SelfDescribingJson:
    try:
        if isinstance(value, dict) and value.keys() == {"schema", "data"}:
            return SelfDescribingJson(value["schema"], value["data"])
    except (ConfigurationError, TypeError):
        pass
    raise EnrichmentError("the function gave what is no self-describing JSON")


def _list(value: object) -> list[SelfDescribingJson]:
    if not isinstance(value, list):
        raise EnrichmentError("the function put something else where a list of entities belongs")
    return [_json(entity) for entity in value]


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    script: str
    function: str = "enrich"
    time_limit_ms: int = 100
    config: dict[str, Any] = {}
    sees_address: bool = False


def make(configuration: Configuration, surroundings: Surroundings) -> RunPython:
    """From its configuration; the script is loaded once, to see that it can be."""
    parameters = read_parameters(configuration, _Parameters)
    if not 1 <= parameters.time_limit_ms <= 60_000:  # noqa: PLR2004 - a minute
        raise ConfigurationError(
            f"timeLimitMs must be 1 to 60000, got {parameters.time_limit_ms!r}"
        )
    script = Asset(parameters.script).required(surroundings.folder)
    process = PythonProcess(
        script,
        parameters.function,
        parameters.config,
        time_limit_s=parameters.time_limit_ms / 1000,
    )
    process.start()
    mask_address = None if parameters.sees_address else surroundings.mask_address
    return RunPython(process, mask_address=mask_address)


KIND = Kind(
    vendor=OWN_VENDOR,
    name="python_script_config",
    version="1-0-0",
    make=make,
    repeatable=True,
)
