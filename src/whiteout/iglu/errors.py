"""What can go wrong between a schema's key and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whiteout.errors import WhiteoutError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.protocol.iglu import SchemaKey

Problem = Literal["NotFound", "RepoFailure", "ClientFailure"]


@dataclass(frozen=True, slots=True)
class LookupProblem:
    """Why a registry gave no schema.

    Attributes:
        kind: `NotFound`: it has none; `RepoFailure`: it could not be asked or answered nonsense;
            `ClientFailure`: it was not asked, by our own rules.
        message: what happened; empty for `NotFound`.
    """

    kind: Problem
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHistory:
    """What one registry said about one schema so far.

    Attributes:
        repository: the registry's name.
        problems: the different answers, each once.
        attempts: how often it was asked.
        last_attempt_ms: when it was asked last, Unix epoch milliseconds.
    """

    repository: str
    problems: tuple[LookupProblem, ...]
    attempts: int
    last_attempt_ms: int


class ResolutionError(WhiteoutError):
    """No registry has the schema, or those that may have it could not be asked.

    Attributes:
        key: the schema.
        history: one entry for each registry that was asked, in that order.
    """

    def __init__(self, key: SchemaKey, history: Sequence[RegistryHistory]) -> None:
        asked = ", ".join(
            f"{entry.repository}: {' and '.join(problem.kind for problem in entry.problems)}"
            for entry in history
        )
        super().__init__(f"{key.uri} was not found ({asked or 'there is no registry'})")
        self.key = key
        self.history = tuple(history)


@dataclass(frozen=True, slots=True)
class SchemaIssue:
    """One fault of a schema: where (a JSON path) and what."""

    path: str
    message: str


class SchemaError(WhiteoutError):
    """A schema was found, but nothing can be validated with it.

    Attributes:
        key: the schema.
        issues: its faults, at least one.
    """

    def __init__(self, key: SchemaKey, issues: Sequence[SchemaIssue]) -> None:
        super().__init__(f"{key.uri} is not a usable schema: {issues[0].message}")
        self.key = key
        self.issues = tuple(issues)
