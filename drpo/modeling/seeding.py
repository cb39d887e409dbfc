"""Random numbers that depend on nothing but seed, step and purpose."""

from __future__ import annotations

import hashlib

import torch


def generator_for(seed: int, step: int, purpose: str) -> torch.Generator:
    """Return a generator that depends on nothing but its arguments, for exact resumption.

    Each purpose has its own stream, so that drawing more for one changes nothing in another.
    """
    digest = hashlib.sha256(f"{seed}/{step}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def again(purpose: str, attempt: int) -> str:
    """Return the purpose of a draw that is made anew: attempt 0 keeps its name."""
    return f"{purpose} {attempt}" if attempt else purpose
