"""What `DRPO_HOME` names, and where its files lie on this machine."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOME, CACHE = "DRPO_HOME", "DRPO_CACHE"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://")
_SCHEME = "home:///"
"""Begins a path inside the workspace where it is written down for every machine."""


def home_url() -> str | None:
    """The URL of the object store that holds the files; None where the home is a folder."""
    named = os.environ.get(HOME, "")
    return named.rstrip("/") if _URL.match(named) else None


def home() -> str:
    """`DRPO_HOME` as another process should be told it: the URL, or the whole path."""
    return home_url() or str(workspace())


def workspace() -> Path:
    """The folder that holds runs, data and the store: `DRPO_HOME`, else `./workspace`.

    Of a home that is a URL it is this machine's cache: a folder of its own in `DRPO_CACHE`, by
    default where the system keeps caches.
    """
    url = home_url()
    if url is None:
        return Path(os.environ.get(HOME, "workspace")).resolve()
    last = re.sub(r"[^A-Za-z0-9-]+", "-", url.rpartition("/")[2]).strip("-")
    digest = hashlib.sha256(url.encode()).hexdigest()[:10]
    return _caches() / f"{last or 'home'}-{digest}"


def _caches() -> Path:
    named = os.environ.get(CACHE)
    if named:
        return Path(named).expanduser().resolve()
    from platformdirs import user_cache_path

    return user_cache_path("drpo", appauthor=False).resolve()


def run_folder(run_id: str) -> Path:
    """The folder of one run: config.json, worker.log, models/, checkpoints/."""
    return workspace() / "runs" / run_id


def portable(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """A JSON document whose paths into this machine's cache mean the same on every other."""
    if home_url() is None:
        return document
    here = f"{workspace()}{os.sep}"
    return _with_texts(
        document,
        lambda text: _SCHEME + text.removeprefix(here) if text.startswith(here) else text,
    )


def resolved(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """The reverse of `portable`: paths as they are on this machine."""
    return _with_texts(
        document,
        lambda text: (
            str(workspace() / text.removeprefix(_SCHEME)) if text.startswith(_SCHEME) else text
        ),
    )


def rebased(name: str) -> str:
    """A path into the cache of this home, on whichever machine, as it is on this one.

    Adapters name the model that they belong to by its path on the machine that trained them. The
    cache of a home has the same name everywhere.
    """
    if home_url() is None:
        return name
    above, found, inner = name.rpartition(f"{os.sep}{workspace().name}{os.sep}")
    return str(workspace() / inner) if found and Path(above or os.sep).is_absolute() else name


def _with_texts(document: Any, change: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(document, str):
        return change(document)
    if isinstance(document, Mapping):
        return {key: _with_texts(value, change) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [_with_texts(value, change) for value in document]
    return document
