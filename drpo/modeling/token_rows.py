"""Rows of token ids, a prompt and its answer: padded to rectangles, cut to a model's context."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from jaxtyping import Bool, Int
from torch import Tensor

TokenRow = tuple[list[int], int]
"""The ids of prompt and answer, and where the answer begins."""


def pad_rows(
    rows: Sequence[TokenRow], pad: int
) -> tuple[Int[Tensor, "batch time"], Bool[Tensor, "batch time"], Bool[Tensor, "batch time"]]:
    """Right-pad rows; returns ids, attention mask and answer mask."""
    longest = max(len(ids) for ids, _ in rows)
    padded = torch.full((len(rows), longest), pad)
    attended = torch.zeros(padded.shape, dtype=torch.bool)
    response = torch.zeros(padded.shape, dtype=torch.bool)
    for at, (ids, start) in enumerate(rows):
        padded[at, : len(ids)] = torch.tensor(ids)
        attended[at, : len(ids)] = True
        response[at, start : len(ids)] = True
    return padded, attended, response


def keep_end(row: TokenRow, limit: int | None, special: Sequence[int]) -> TokenRow:
    """Cut a row to a model's context; the beginning of its prompt goes first.

    The special tokens that it begins with stay: an encoder reads its score off [CLS], and no model
    was trained on texts without its BOS.

    Args:
        row: Prompt and answer.
        limit: Most tokens; None cuts nothing.
        special: The tokenizer's special tokens.
    """
    ids, start = row
    if limit is None or len(ids) <= limit:
        return row
    head = list(takewhile(set(special).__contains__, ids[:start]))[: limit - 1]
    cut = len(ids) - limit
    return [*head, *ids[cut + len(head) :]], max(len(head), start - cut)
