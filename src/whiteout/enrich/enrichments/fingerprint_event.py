"""A hash over the parameters of an event, by which two deliveries of it are known as one.

Source: reference section 2.10.5. Of an anonymous event only parameters that tell nothing of a
person take part; where columns are pseudonymised the hash is keyed, and without a key nothing takes
part that is masked or erased (W12): otherwise it would confirm guesses at what was taken away.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Literal

import msgspec

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.interface import (
    SNOWPLOW,
    Configuration,
    Kind,
    Surroundings,
    read_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson

_FINGERPRINT = COLUMN_INDEX["event_fingerprint"]
_SEPARATOR = "\x1f"
HARMLESS = frozenset("e p tv tna aid dtm ttm stm tz pp_mix pp_max pp_miy pp_may".split())
"""What an anonymous event is known by: no identifier, no URL, no text or entity of the app's."""

Algorithm = Literal["MD5", "SHA1", "SHA256", "SHA384", "SHA512"]


class FingerprintEvent:
    """Fills `event_fingerprint`.

    Args:
        algorithm: the hash function.
        exclude: parameters that take no part.
        key_of: the key for events of a request; None for a plain hash.
        hidden: parameters that take no part in a plain hash.
    """

    schema = f"iglu:{SNOWPLOW}/event_fingerprint_config/jsonschema/1-0-1"
    identifier = "event-fingerprint"

    def __init__(
        self,
        *,
        algorithm: Algorithm,
        exclude: Iterable[str],
        key_of: Callable[[Request], bytes | None] | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self._algorithm = algorithm.lower()
        self._hidden = hidden
        self._exclude = frozenset(exclude)
        self._key_of = key_of

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """No entity: the column is set."""
        key = self._key_of(request) if self._key_of else None
        names = sorted(parameters.keys() - self._exclude)
        if request.anonymous:
            names = [name for name in names if name in HARMLESS]
        if key is None and self._hidden:
            names = [name for name in names if name not in self._hidden]
        text = "".join(
            f"{name}{_SEPARATOR}{value}{_SEPARATOR}"
            for name in names
            if (value := parameters[name]) is not None
        ).encode("utf-8", "surrogatepass")
        if key is not None:
            event.fields[_FINGERPRINT] = hmac.new(key, text, self._algorithm).hexdigest()
        else:
            digest = hashlib.new(self._algorithm, text, usedforsecurity=False)
            event.fields[_FINGERPRINT] = digest.hexdigest()
        return ()


class _Parameters(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    hash_algorithm: Algorithm
    exclude_parameters: list[str]


def make(configuration: Configuration, surroundings: Surroundings) -> FingerprintEvent:
    """From the official configuration."""
    parameters = read_parameters(configuration, _Parameters)
    return FingerprintEvent(
        algorithm=parameters.hash_algorithm,
        exclude=parameters.exclude_parameters,
        key_of=surroundings.key_of,
        hidden=surroundings.hidden_parameters,
    )


KIND = Kind(vendor=SNOWPLOW, name="event_fingerprint_config", version="1-0-1", make=make)
