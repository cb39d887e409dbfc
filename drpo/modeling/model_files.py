"""What a model folder says about itself, read from its small files only, without torch.

The launch form, the estimate and the checks before a launch need a model's size, context and
tokenizer; config.json, tokenizer files and the headers of the safetensors files tell all of it.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drpo.errors import ModelError
from drpo.home import brought
from drpo.modeling.model_facts import LAYER_KEYS, WIDTH_KEYS, context_of, first_number, text_part

HUB_NAME = re.compile(r"^[\w.-]+(/[\w.-]+)?$")
LONGEST_HUB_NAME = 96
"""The Hub's own limit, which its library raises about."""
HEADER_LIMIT = 100 * 2**20
"""A safetensors header longer than this is not a header (the format's own limit)."""
FOREIGN_CRITIC = (
    "critic_init is 'reward_model', but that model has a tokenizer of its own, so the policy's "
    "token ids mean nothing to it; expected the policy's tokenizer. Set critic_init to 'policy', "
    "or leave the reward model out and it is trained from the policy."
)


@dataclass(frozen=True)
class ModelCard:
    """The facts of one model folder."""

    folder: Path
    config: dict[str, Any]
    parameters: int
    context: int | None
    """Longest text in tokens, where the model has a limit."""
    eos_token: str | None
    tokenizer_file: Path | None
    """tokenizer.json, when there is one: tokens can then be counted without transformers."""

    @property
    def layers(self) -> int:
        """Transformer layers."""
        return first_number(self.config, LAYER_KEYS)

    @property
    def hidden(self) -> int:
        """Width."""
        return first_number(self.config, WIDTH_KEYS)

    @property
    def vocabulary(self) -> int:
        """Tokens it knows."""
        return int(text_part(self.config).get("vocab_size") or 1)

    @property
    def cached(self) -> int:
        """Numbers a layer keeps of each position while it writes: keys and values."""
        text = text_part(self.config)
        heads = text.get("num_attention_heads") or text.get("n_head") or 1
        width = text.get("head_dim") or self.hidden // heads
        return 2 * int(text.get("num_key_value_heads") or heads) * int(width)

    @property
    def labels(self) -> int:
        """Outputs of its classification head (transformers' default is 2)."""
        if "id2label" in self.config:
            return len(self.config["id2label"])
        return int(self.config.get("num_labels", 2))

    @property
    def is_classifier(self) -> bool:
        """Whether it was saved as a sequence classifier."""
        names = self.config.get("architectures") or []
        return any("SequenceClassification" in name for name in names)


def find_folder(name: str, *, what: str) -> Path | None:
    """Find a model's folder: a folder here, or a Hub name already in the local cache.

    Args:
        name: Folder or Hub name.
        what: What the model is for, as the sentence should call it ("start policy").

    Returns:
        The folder, or None for a Hub name that is on the Hub but not in the cache yet.

    Raises:
        ModelError: There is no such folder, and no such name that can be reached.
    """
    name = brought(name)
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return path
        is_file = path.exists()
    except (OSError, RuntimeError):  # longer than a path may be; no such ~user
        is_file = False
    if is_file:
        raise ModelError(f"The {what} {name} is a file; expected a folder with config.json in it.")
    if not HUB_NAME.match(name) or len(name) > LONGEST_HUB_NAME or name.startswith("."):
        raise ModelError(f"The {what} {name} does not exist; expected a model folder or Hub name.")
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str):
        return Path(cached).parent
    _reach_hub(name, what)
    return None


def _reach_hub(name: str, what: str) -> None:
    reason = "HF_HUB_OFFLINE is set"
    if not os.environ.get("HF_HUB_OFFLINE"):
        from huggingface_hub import HfApi

        try:
            HfApi().model_info(name, timeout=10)
        except Exception as error:
            reason = type(error).__name__
        else:
            return
    raise ModelError(
        f"The {what} {name} is neither a folder here nor a name that can be reached on the "
        f"Hugging Face Hub ({reason}); give a folder with config.json, tokenizer and safetensors."
    )


def read_card(folder: Path, *, what: str = "model") -> ModelCard:
    """Read a model folder; of an adapter, the model that it belongs to with its own numbers on top.

    Raises:
        ModelError: config.json, the weights or the tokenizer are missing or damaged.
    """
    base = base_of(folder, what=what)
    if base is not None:
        own = sum(_numbers(file) for file in folder.glob("adapter_model*.safetensors"))
        card = read_card(base, what=f"model below the {what}")
        tokenizer, eos = folder / "tokenizer.json", _eos_token(folder)
        return replace(
            card,
            parameters=card.parameters + own,
            eos_token=eos or card.eos_token,
            tokenizer_file=tokenizer if tokenizer.is_file() else card.tokenizer_file,
        )
    config = _json(folder / "config.json", what)
    parameters = _parameters(folder, what)
    tokenizer = folder / "tokenizer.json"
    if not any(
        (folder / name).is_file()
        for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
    ):
        raise ModelError(
            f"The {what} {folder} has no tokenizer; expected tokenizer.json beside config.json "
            "(save it there with tokenizer.save_pretrained)."
        )
    return ModelCard(
        folder=folder,
        config=config,
        parameters=parameters,
        context=context_of(config),
        eos_token=_eos_token(folder),
        tokenizer_file=tokenizer if tokenizer.is_file() else None,
    )


def base_of(folder: Path, *, what: str = "model") -> Path | None:
    """Return the model that an adapter folder belongs to; None where it holds no adapter.

    Raises:
        ModelError: The adapter names no model, or one that is not here.
    """
    if not (folder / "adapter_config.json").is_file() or (folder / "config.json").is_file():
        return None
    named = _json(folder / "adapter_config.json", what).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise ModelError(
            f"The {what} {folder} is an adapter; expected base_model_name_or_path in its "
            "adapter_config.json, got none. Name the model that it belongs to, or merge it."
        )
    found = find_folder(named, what=f"model below the {what}")
    if found is None:
        raise ModelError(
            f"The {what} {folder} is an adapter on {named}, which is not here yet; download that "
            "model first."
        )
    return found


def _json(path: Path, what: str) -> dict[str, Any]:
    if not path.is_file():
        raise ModelError(
            f"The {what} {path.parent} has no {path.name}; expected a Hugging Face folder."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(
            f"{path} cannot be read as JSON ({error}); save the model again."
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object; save the model again.")
    return content


def _parameters(folder: Path, what: str) -> int:
    index = folder / "model.safetensors.index.json"
    files = [folder / "model.safetensors"]
    if index.is_file():
        names = sorted(set(_json(index, what).get("weight_map", {}).values()))
        files = [folder / Path(name).name for name in names]
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        found = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
        hint = (
            f"; {found[0].name} is a pickle, which is never loaded: convert it to safetensors"
            if found
            else ""
        )
        name = missing[0].name if missing else "model.safetensors"
        raise ModelError(f"The {what} {folder} has no weights; expected {name} in it{hint}.")
    return sum(_numbers(file) for file in files)


def _numbers(file: Path) -> int:
    """Count the numbers in one safetensors file and check that all their bytes are there."""
    size = file.stat().st_size
    damaged = ModelError(f"{file} is damaged or cut short ({size} bytes); copy it again.")
    with file.open("rb") as handle:
        head = handle.read(8)
        if len(head) < 8:
            raise damaged
        (length,) = struct.unpack("<Q", head)
        if length > min(HEADER_LIMIT, size - 8):
            raise damaged
        try:
            header = json.loads(handle.read(length))
            tensors = [entry for name, entry in header.items() if name != "__metadata__"]
            count = sum(int(math.prod(entry["shape"])) for entry in tensors)
            end = max((entry["data_offsets"][1] for entry in tensors), default=0)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise damaged from error
    if size != 8 + length + end:
        raise damaged
    return count


def _eos_token(folder: Path) -> str | None:
    """The end token; newer folders keep it in tokenizer_config.json."""
    found = None
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        token = _json(path, "tokenizer").get("eos_token")
        text = token.get("content") if isinstance(token, dict) else token
        if isinstance(text, str):
            found = text
    return found


def has_chat_template(folder: Path) -> bool:
    """Whether a model's tokenizer has a chat template; an adapter may have that of its model.

    Raises:
        ModelError: A file of the tokenizer is damaged.
    """
    names = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")
    if any((folder / name).exists() for name in names):
        return True
    settings = folder / "tokenizer_config.json"
    if settings.is_file() and _json(settings, "tokenizer").get("chat_template"):
        return True
    base = base_of(folder)
    return base is not None and has_chat_template(base)


def count_tokens(card: ModelCard, texts: list[str], *, special: bool = True) -> list[int] | None:
    """Count each text's tokens, or None when that needs more than tokenizer.json.

    Args:
        card: The model.
        texts: What to count.
        special: Whether what the tokenizer puts around a text counts.
    """
    tokenizer = _tokenizer(card)
    if tokenizer is None:
        return None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return [
        len(encoding.ids) for encoding in tokenizer.encode_batch(texts, add_special_tokens=special)
    ]


def same_tokens(one: ModelCard, other: ModelCard) -> bool | None:
    """Whether two models number the same tokens alike; None where that cannot be told here."""
    first, second = _tokenizer(one), _tokenizer(other)
    if first is None or second is None:
        return None
    return bool(first.get_vocab() == second.get_vocab())


def _tokenizer(card: ModelCard) -> Any:  # noqa: ANN401 - the library's class has no types
    if card.tokenizer_file is None:
        return None
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(card.tokenizer_file))
    except Exception as error:  # the library raises bare Exception for any damaged file
        raise ModelError(
            f"{card.tokenizer_file} cannot be read ({error}); save the tokenizer again."
        ) from error
