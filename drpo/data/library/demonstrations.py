"""Answers kept one by one, for runs to reset into: saved sets without rejected answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from drpo.data.gold_reward import sidecar_of
from drpo.data.library.versions import check_name, load_version, path_of, save_version
from drpo.data.pairs import Pair
from drpo.errors import DataError
from drpo.store import Store
from drpo.store.schema import Dataset

KIND = "demonstrations"
"""What the recipe of such a set says that it is."""
_ADDING = threading.Lock()
"""A version holds all of the one before: two visitors who add at once must not lose an answer."""


def demonstration_sets(store: Store) -> list[str]:
    """Names of the saved sets that hold answers kept one by one, the newest first."""
    kept = [one for one in store.datasets.all() if one.recipe.get("kind") == KIND]
    return list(dict.fromkeys(one.name for one in kept))


def add_demonstration(
    store: Store,
    name: str,
    prompt: str,
    answer: str,
    *,
    facts: Mapping[str, str] | None = None,
    source: str = "",
) -> Dataset:
    """Add an answer to a set of demonstrations, as its next version.

    Args:
        store: Where the set is noted.
        name: The set's name; a new one begins a set.
        prompt: The prompt, exactly as a policy reads it.
        answer: The whole answer, exactly as it follows the prompt.
        facts: What a faithful answer states, where the data say so.
        source: Where the answer comes from, as text.

    Returns:
        The version that holds it: the newest one as it is, where that has this answer already.

    Raises:
        DataError: The prompt or the answer is blank, the name cannot be used, or belongs to a set
            of pairs.
    """
    if not prompt.strip() or not answer.strip():
        part = "answer" if prompt.strip() else "prompt"
        raise DataError(
            f"A demonstration needs a prompt and an answer; the {part} is blank. Choose another."
        )
    with _ADDING:
        return _added(store, check_name(name), Pair(prompt, answer, "", facts=facts), source)


def _added(store: Store, name: str, answer: Pair, source: str) -> Dataset:
    versions = [one for one in store.datasets.all() if one.name == name]
    newest = max(versions, key=lambda one: one.version, default=None)
    kept = [] if newest is None else load_version(newest).pairs
    if any(pair.rejected for pair in kept):
        raise DataError(
            f"{name} holds pairs with a rejected answer, expected answers only. Keep this one "
            "under another name."
        )
    if newest is not None and any(
        (one.prompt, one.chosen) == (answer.prompt, answer.chosen) for one in kept
    ):
        return newest
    gold = None if newest is None else sidecar_of(path_of(newest))
    return save_version(
        store,
        [*kept, replace(answer, row=len(kept) + 1)],
        name,
        source=source,
        recipe={"kind": KIND},
        gold=gold if gold is not None and gold.is_file() else None,
    )
