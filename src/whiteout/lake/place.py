"""Where a lake is: a folder, or a bucket of an object store by URL.

Credentials and options reach Delta Lake as its storage options. They come from the environment, as
the stores' own tools read them (`AWS_…`, `GOOGLE_…`, `AZURE_…`), and from `WHITEOUT_STORAGE_…` for
what should hold for Whiteout alone. No message and no `repr` shows one of them.

Source of the names: the configuration keys of the Rust crate `object_store`, which Delta Lake uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from whiteout.errors import ConfigurationError, WhiteoutError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES: Mapping[str, tuple[str, ...]] = {
    "s3": ("AWS_",),
    "s3a": ("AWS_",),
    "gs": ("GOOGLE_",),
    "abfs": ("AZURE_",),
    "abfss": ("AZURE_",),
    "az": ("AZURE_",),
}
"""Schemes of URLs, and the beginnings of the environment variables that belong to them."""

_CURE = "check the address, the network, and the credentials in the environment"

STORAGE = "WHITEOUT_STORAGE_"
"""`WHITEOUT_STORAGE_AWS_REGION` is the storage option `AWS_REGION`, and wins over it."""

# S3 is asked to refuse a commit that is there already, instead of a lock in DynamoDB: without one
# of the two, writers could overwrite each other's commits.
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "s3": {"AWS_CONDITIONAL_PUT": "etag"},
    "s3a": {"AWS_CONDITIONAL_PUT": "etag"},
}


class LakeError(WhiteoutError):
    """The lake cannot be reached; the message names the place and the kind of failure."""


@dataclass(frozen=True, slots=True)
class LakePlace:
    """A lake's address. `open_table` and `table` give its tables.

    Attributes:
        url: a folder's path, or a URL; without a slash at the end.
        options: storage options of the URL's store; secrets among them.
    """

    url: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path | None:
        """The folder, where the lake is one of this machine's."""
        return None if "://" in self.url else Path(self.url)

    def table(self, name: str) -> str:
        """The address of a table."""
        folder = self.folder
        return f"{self.url}/{name}" if folder is None else str(folder / name)

    def open_table(self, name: str) -> DeltaTable | None:
        """The latest version of a table; None where there is none yet.

        Raises:
            LakeError: the place cannot be read.
        """
        address = self.table(name)
        options = self.storage_options
        try:
            if not DeltaTable.is_deltatable(address, storage_options=options):
                return None
            return DeltaTable(address, storage_options=options)
        except (DeltaError, OSError) as error:
            # Its message may repeat what was asked of the store, and how.
            raise LakeError(f"cannot open {address}: {type(error).__name__}; {_CURE}") from None

    @property
    def storage_options(self) -> dict[str, str] | None:
        """The options as Delta Lake takes them."""
        return dict(self.options) or None


def lake_place(address: str | Path, environment: Mapping[str, str] | None = None) -> LakePlace:
    """The place that an address names.

    Args:
        address: a folder or a URL of one of `SCHEMES`.
        environment: variables to take storage options from.

    Raises:
        ConfigurationError: the URL is of another scheme, names no bucket, or holds credentials.
    """
    if isinstance(address, Path):
        return LakePlace(str(address))
    if "://" not in address and address.partition(":")[0].lower() not in SCHEMES:
        return LakePlace(address)
    parts = urlsplit(address)
    if parts.scheme == "file":
        return LakePlace(parts.path)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # what is left has no secrets
    if parts.scheme not in SCHEMES or not parts.netloc:
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ConfigurationError(
            f"--lake must be a folder, or a URL that begins with {schemes} and names a bucket,"
            f" got {shown!r}"
        )
    has_secret = ":" in parts.netloc.rpartition("@")[0] or parts.query or parts.fragment
    if has_secret:
        raise ConfigurationError(
            "--lake must hold no credentials and no query, set them in the environment;"
            f" got one for {shown!r}"
        )
    given = environment or {}
    prefixes = SCHEMES[parts.scheme]
    options = dict(_DEFAULTS.get(parts.scheme, {}))
    options |= {name: value for name, value in given.items() if name.startswith(prefixes)}
    options |= {
        name.removeprefix(STORAGE): value
        for name, value in given.items()
        if name.startswith(STORAGE) and value
    }
    return LakePlace(address.rstrip("/"), options)
