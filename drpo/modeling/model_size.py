"""How large a model is: from its files, or from its name where a plan must not need a network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from drpo.errors import ModelError
from drpo.modeling.model_files import find_folder, read_card

KNOWN = {
    "1b": (1_011_781_632, 16, 2048, 50_304, 2048),
    "2.8b": (2_775_208_960, 32, 2560, 50_304, 2048),
    "6.9b": (6_857_302_016, 32, 4096, 50_432, 2048),
}
"""Pythia: parameters, layers, width, vocabulary, context; so that a plan needs no network."""


@dataclass(frozen=True)
class Size:
    """What the arithmetic needs of a model."""

    parameters: int
    layers: int
    hidden: int
    vocabulary: int
    context: int | None
    local: bool
    """Whether its files are here already."""
    cached: int = 0
    """Numbers a layer keeps of each position while answers are written: keys and values."""

    def __post_init__(self) -> None:
        if not self.cached:
            object.__setattr__(self, "cached", 2 * self.hidden)


def size_of(name: str, *, what: str) -> Size:
    """A model's size from its files, or from its name when it is one of the paper's.

    Raises:
        ModelError: Neither tells.
    """
    if not _known(name) or Path(name).expanduser().is_dir():
        folder = find_folder(name, what=what)
        if folder is None:
            raise ModelError(
                f"The {what} {name} is not here yet, so its size is unknown; download it first."
            )
        card = read_card(folder, what=what)
        return Size(
            card.parameters,
            card.layers,
            card.hidden,
            card.vocabulary,
            card.context,
            local=True,
            cached=card.cached,
        )
    return Size(*KNOWN[_known(name)], local=False)


def _known(name: str) -> str:
    found = re.search(r"pythia-(1b|2\.8b|6\.9b)", name.lower())
    return found.group(1) if found else ""
