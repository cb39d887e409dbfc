"""Prompt and answer as one row of token ids, for models that read rather than write.

`drpo.modeling.tokenization` does the same for the policy, which has to know where a token is its
own choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase


def encode(
    tokenizer: PreTrainedTokenizerBase, prompt: str, response: str, *, finished: bool
) -> tuple[list[int], int]:
    """Tokenise `prompt + response` as one text.

    Args:
        tokenizer: Any tokenizer; a slow one, which knows no offsets, is taken to split at the
            boundary.
        prompt: The prompt.
        response: The answer.
        finished: Append EOS.

    Returns:
        The ids, and where the answer begins: its first token is the first that holds a character
        of the answer.
    """
    if tokenizer.is_fast:
        encoded = tokenizer(prompt + response, return_offsets_mapping=True)
        ids = list(encoded["input_ids"])
        ends = [end for _, end in encoded["offset_mapping"]]
        start = next((at for at, end in enumerate(ends) if end > len(prompt)), len(ids))
    else:
        ids = list(tokenizer(prompt + response)["input_ids"])
        start = min(len(tokenizer(prompt)["input_ids"]), len(ids))
    eos = tokenizer.eos_token_id
    if finished and eos is not None and (not ids or ids[-1] != eos):
        ids.append(eos)
    return ids, start


def pad_rows(
    rows: Sequence[tuple[list[int], int]], tokenizer: PreTrainedTokenizerBase
) -> tuple[Int[Tensor, "batch time"], Bool[Tensor, "batch time"], Bool[Tensor, "batch time"]]:
    """Right-pad encoded rows; returns ids, attention mask and answer mask."""
    longest = max(len(ids) for ids, _ in rows)
    padded = torch.full((len(rows), longest), tokenizer.pad_token_id or 0)
    attended = torch.zeros(padded.shape, dtype=torch.bool)
    response = torch.zeros(padded.shape, dtype=torch.bool)
    for at, (ids, start) in enumerate(rows):
        padded[at, : len(ids)] = torch.tensor(ids)
        attended[at, : len(ids)] = True
        response[at, start : len(ids)] = True
    return padded, attended, response


def same_tokenizer(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> bool:
    """Whether two tokenizers give the same ids for the same text, the EOS included."""
    if one is other:
        return True
    if one.eos_token_id != other.eos_token_id or one.get_vocab() != other.get_vocab():
        return False
    if one.is_fast and other.is_fast:
        return bool(_pipeline(one) == _pipeline(other))
    return type(one) is type(other)


def _pipeline(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """How text becomes ids, padding and truncation settings aside."""
    backend = tokenizer.backend_tokenizer
    parts = (backend.normalizer, backend.pre_tokenizer, backend.model, backend.post_processor)
    return tuple(repr(part) for part in parts)


def keep_end(
    row: tuple[list[int], int], limit: int | None, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], int]:
    """Cut an encoded row to a model's context; the beginning of its prompt goes first.

    The special tokens that it begins with stay: an encoder reads its score off [CLS], and no model
    was trained on texts without its BOS.
    """
    ids, start = row
    if limit is None or len(ids) <= limit:
        return row
    special = set(tokenizer.all_special_ids)
    head = list(takewhile(special.__contains__, ids[:start]))[: limit - 1]
    cut = len(ids) - limit
    return [*head, *ids[cut + len(head) :]], max(len(head), start - cut)
