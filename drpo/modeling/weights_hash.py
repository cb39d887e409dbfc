"""A name for the weights of a policy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from torch import nn


def weights_hash(policy: nn.Module) -> str:
    """Name the weights of a policy that training changes; the rest is as it was found."""
    return hash_of({name: one for name, one in policy.named_parameters() if one.requires_grad})


def hash_of(weights: Mapping[str, nn.Parameter]) -> str:
    """Name some weights.

    It is asked for at every update, so a large model's tensors are read side by side: hashing lets
    other threads run.
    """
    trained = [(name, weights[name]) for name in sorted(weights)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        parts = pool.map(_digest, *zip(*trained, strict=True)) if trained else ()
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


def _digest(name: str, weight: nn.Parameter) -> str:
    digest = hashlib.sha256(name.encode())
    digest.update(weight.detach().float().cpu().flatten().numpy().data)
    return digest.hexdigest()
