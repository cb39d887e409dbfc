"""Whether two tokenizers are one."""

from __future__ import annotations

from typing import Any


def same_tokenizer(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Whether two tokenizers give the same ids for the same text, the EOS included."""
    if one is other:
        return True
    if one.eos_token_id != other.eos_token_id or one.get_vocab() != other.get_vocab():
        return False
    if one.is_fast and other.is_fast:
        return bool(_pipeline(one) == _pipeline(other))
    return type(one) is type(other)


def _pipeline(tokenizer: Any) -> tuple[str, ...]:  # noqa: ANN401
    """How text becomes ids, padding and truncation settings aside."""
    backend = tokenizer.backend_tokenizer
    parts = (backend.normalizer, backend.pre_tokenizer, backend.model, backend.post_processor)
    return tuple(repr(part) for part in parts)
