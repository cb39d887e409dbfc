"""Prompts and answers that are plain texts: the whitespace between them."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.data.schema.dialogues import Dialogue, Turn


def join_context(context: Sequence[Turn], prompt: str, better: str, worse: str) -> Dialogue:
    """Join a prompt and two answers; what the system told stands before."""
    told = [turn.text for turn in context]
    joined = join_plain("\n\n".join([*told, prompt]), better, worse)
    return joined._replace(history=(*context, Turn("user", prompt))) if context else joined


def join_plain(prompt: str, chosen: str, rejected: str) -> Dialogue:
    """Give prompt and answers the whitespace that separates them in the trained text.

    Whitespace that both answers share, or that ends the prompt, is kept as it is. Otherwise a
    prompt that ends in a colon (`TL;DR:`) is followed by a space, any other by an empty line, and
    the same goes before both answers: a stray space must not tell them apart.
    """
    spaces = [text[: len(text) - len(text.lstrip())] for text in (chosen, rejected)]
    if spaces[0] == spaces[1] and (spaces[0] or prompt[-1:].isspace()):
        return Dialogue(prompt, chosen, rejected)
    if not chosen.strip() or not rejected.strip():
        return Dialogue(prompt, chosen, rejected)
    chosen, rejected = chosen.lstrip(), rejected.lstrip()
    if prompt[-1:].isspace():
        return Dialogue(prompt, chosen, rejected)
    if prompt.endswith((":", "：")):
        return Dialogue(prompt, " " + chosen, " " + rejected)
    return Dialogue(prompt + "\n\n" if prompt.strip() else prompt, chosen, rejected)
