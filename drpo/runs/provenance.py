"""What a run was made with and from, so that a report can say it later: versions and data."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from drpo.data.pairset import content_hash
from drpo.data.run_data import RunData

PACKAGES = ("drpo", "torch", "transformers", "peft", "tokenizers", "datasets")
"""Those whose version can change what is learned: the code itself, and what it stands on."""


def versions() -> dict[str, str]:
    """Versions of Python, of the code, and of the libraries that training stands on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def data_of(data: RunData) -> dict[str, Any]:
    """How many pairs were trained on and held out, and the content hash of the former."""
    return {
        "train": len(data.train),
        "heldout": len(data.heldout),
        "content_hash": content_hash(data.train),
    }
