"""One object store: read, write, list and remove, tried again with growing waits.

What fsspec's file systems raise differs from one to the next. An error that says what is wrong
with the request itself is told at once; every other may pass, and is waited for.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from drpo.errors import ConfigError, FilesAwayError, first_line
from drpo.files import disk_is_full

log = logging.getLogger(__name__)
Result = TypeVar("Result")

PATIENCE = 20.0
"""Seconds for which a screen or a command tries again."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0


class ObjectStore:
    """The objects below a URL, by keys with slashes.

    Args:
        url: Of any file system that fsspec knows.
        patience: Seconds for which an operation is tried again.

    Raises:
        ConfigError: fsspec knows no such URL, or a package for it is missing.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        import fsspec

        self.url = url
        self.patience = patience
        scheme = url.partition("://")[0]
        # Each look is a new one: other machines write, too.
        options: dict[str, Any] = {"use_listings_cache": False}
        if scheme in ("file", "local"):
            options["auto_mkdir"] = True
        elif scheme in ("s3", "s3a"):
            # Waiting for a store that is away is done here, where it can be told of.
            options["config_kwargs"] = {"connect_timeout": 5, "retries": {"max_attempts": 2}}
        try:
            self._files, root = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError) as error:
            hint = " For s3://: pip install 'drpo[s3]'." if scheme in ("s3", "s3a") else ""
            raise ConfigError(
                f"DRPO_HOME is {url!r}, which cannot be opened here ({first_line(error)}); "
                f"expected a folder, or a URL of a file system that fsspec knows.{hint}"
            ) from error
        if hasattr(self._files, "retries"):
            self._files.retries = 1
        self._root = str(root).rstrip("/")

    def read(self, key: str) -> bytes | None:
        """The bytes of an object; None where there is none.

        Raises:
            FilesAwayError: The store does not answer.
        """
        try:
            return bytes(self._insist("read", lambda: self._files.cat_file(self._at(key))))
        except FileNotFoundError:
            return None

    def write(self, key: str, content: bytes) -> None:
        """Write a small object; in an object store it is replaced in one step."""
        self._insist("write", lambda: self._files.pipe_file(self._at(key), content))

    def put(self, path: Path, key: str) -> None:
        """Upload a file."""
        self._insist("write", lambda: self._files.put_file(str(path), self._at(key)))

    def get(self, key: str, path: Path) -> None:
        """Download an object.

        Raises:
            FileNotFoundError: There is none.
            FilesAwayError: The store does not answer.
        """
        self._insist("read", lambda: self._files.get_file(self._at(key), str(path)))

    def stamp(self, key: str) -> str | None:
        """What changes whenever an object does: its size and its etag or time; None without one."""
        try:
            told = self._insist("read", lambda: self._files.info(self._at(key)))
        except FileNotFoundError:
            return None
        changed = told.get("ETag") or told.get("etag") or told.get("mtime") or told.get("created")
        return f"{told.get('size')} {changed}"

    def keys(self, below: str) -> list[str]:
        """The keys below one, which is a folder's where there are folders."""
        try:
            found = self._insist("list", lambda: self._files.find(self._at(below)))
        except FileNotFoundError:
            return []
        return sorted(str(one).removeprefix(f"{self._root}/") for one in found)

    def folders(self, below: str) -> list[str]:
        """The names directly below a key, of what has further ones below it."""
        try:
            found = self._insist("list", lambda: self._files.ls(self._at(below), detail=True))
        except FileNotFoundError:
            return []
        return sorted(
            str(one["name"]).rstrip("/").rpartition("/")[2]
            for one in found
            if one["type"] == "directory"
        )

    def remove(self, key: str) -> None:
        """Remove an object; one that is gone already is none to complain of."""
        try:
            self._insist("remove", lambda: self._files.rm_file(self._at(key)))
        except FileNotFoundError:
            return

    def remove_below(self, key: str) -> None:
        """Remove all objects below a key."""
        try:
            self._insist("remove", lambda: self._files.rm(self._at(key), recursive=True))
        except FileNotFoundError:
            return

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _insist(self, what: str, act: Callable[[], Result]) -> Result:
        deadline, wait = time.monotonic() + self.patience, _FIRST_WAIT
        while True:
            try:
                return act()
            except FileNotFoundError:
                if what == "write":  # the bucket itself
                    raise self._away(what, "there is no such place") from None
                raise
            except Exception as error:
                if disk_is_full(error):
                    raise  # this machine's, and in its own words
                if isinstance(error, PermissionError) or time.monotonic() + wait > deadline:
                    raise self._away(what, first_line(error)) from error
                log.warning("%s: %s; trying again in %.0f s", self.url, first_line(error), wait)
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _away(self, what: str, why: str) -> FilesAwayError:
        return FilesAwayError(
            f"The object store {self.url}, which DRPO_HOME names, cannot be used to {what} "
            f"({why}). See that this machine ({os.uname().nodename}) reaches it and that its keys "
            f"may {what}."
        )
