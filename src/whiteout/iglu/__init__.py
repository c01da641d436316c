"""Schema registries and validation.

A `Resolver` finds schemas in registries, asked in order, and keeps them compiled.
"""

from whiteout.iglu.configuration import ResolverConfiguration as ResolverConfiguration
from whiteout.iglu.configuration import read_resolver as read_resolver
from whiteout.iglu.errors import LookupProblem as LookupProblem
from whiteout.iglu.errors import RegistryHistory as RegistryHistory
from whiteout.iglu.errors import ResolutionError as ResolutionError
from whiteout.iglu.errors import SchemaError as SchemaError
from whiteout.iglu.errors import SchemaIssue as SchemaIssue
from whiteout.iglu.http import HttpRegistry as HttpRegistry
from whiteout.iglu.registries import EmbeddedRegistry as EmbeddedRegistry
from whiteout.iglu.registries import FolderRegistry as FolderRegistry
from whiteout.iglu.registries import Registry as Registry
from whiteout.iglu.resolver import Resolver as Resolver
from whiteout.iglu.validator import DataReport as DataReport
from whiteout.iglu.validator import Validator as Validator
