"""Votes go out as preference pairs, with where they came from.

The prompts of a review are held-out prompts, used to evaluate runs. Each exported pair says so
(`evaluation_prompt`): it may serve to test a reward model against people, but a policy trained on
it could no longer be judged on that prompt.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from drpo.data import load_pairs
from drpo.data.library.versions import save_version
from drpo.errors import DataError
from drpo.files import whole_file
from drpo.review.results import standing_votes
from drpo.review.sampling import Item, Review, SourceAnswer, load_review
from drpo.store import Store
from drpo.store.schema import Dataset, Vote


def preference_rows(store: Store, review_id: str) -> list[dict[str, Any]]:
    """Return one pair for each item that a majority of its reviewers decided.

    Ties and items whose votes are split evenly say nothing of a preference and are left out;
    repeats are, too.

    Raises:
        DataError: There is no such review, or no item has a winner yet.
    """
    review = load_review(store, review_id)
    votes: dict[str, list[Vote]] = {}
    for vote in standing_votes(store, review_id):
        if vote.choice != "skip":
            votes.setdefault(vote.item, []).append(vote)
    rows = [
        row
        for item in review.items
        if item.repeats is None and (row := _row(review, item, votes.get(item.id, []))) is not None
    ]
    if not rows:
        raise DataError(
            f"No item of the review {review.name!r} has a winner yet; vote first, then export."
        )
    return rows


def write_preferences(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write pairs as `.jsonl` or `.parquet`, whole or not at all.

    Raises:
        DataError: The name ends in something else.
    """
    if path.suffix not in (".jsonl", ".parquet"):
        raise DataError(
            f"Preference pairs are written as .jsonl or .parquet; got {path.name!r}. Rename it."
        )
    with whole_file(path) as beside:
        if path.suffix == ".jsonl":
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
            beside.write_text("".join(lines), encoding="utf-8")
        else:
            pd.DataFrame(list(rows)).to_parquet(beside, index=False)


def preference_file(rows: Sequence[dict[str, Any]], suffix: str) -> bytes:
    """Return what `write_preferences` writes into a file of this ending."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"votes{suffix}"
        write_preferences(rows, path)
        return path.read_bytes()


def save_preferences(store: Store, review_id: str, name: str) -> Dataset:
    """Save a review's pairs as the next version of a data set.

    They are read as a file of pairs would be: there is one way in for files and votes.

    Raises:
        DataError: No item has a winner yet, or the name is unusable.
    """
    rows = preference_rows(store, review_id)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.jsonl"
        write_preferences(rows, path)
        pairs = load_pairs(str(path)).pairs
    recipe = {"review": review_id, "votes": len(rows), "evaluation_prompts": True}
    return save_version(store, pairs, name, source=f"{review_id}.jsonl", recipe=recipe)


def _row(review: Review, item: Item, votes: Sequence[Vote]) -> dict[str, Any] | None:
    counts = Counter(vote.choice for vote in votes)
    if counts["first"] == counts["second"]:
        return None
    winner: Literal["first", "second"] = "first" if counts["first"] > counts["second"] else "second"
    chosen, rejected = item.first, item.second
    if winner == "second":
        chosen, rejected = rejected, chosen
    return {
        "prompt": item.prompt,
        "chosen": chosen.text,
        "rejected": rejected.text,
        "evaluation_prompt": True,
        "review": review.id,
        "review_name": review.name,
        "item": item.id,
        **_provenance("chosen", review, chosen),
        **_provenance("rejected", review, rejected),
        "votes_for": counts[winner],
        "votes_against": counts["second" if winner == "first" else "first"],
        "votes_tied": counts["tie"] + counts["both_bad"],
        "reviewers": ", ".join(sorted({vote.reviewer for vote in votes})),
        "voted_at": max(vote.created_at for vote in votes),
    }


def _provenance(side: str, review: Review, answer: SourceAnswer) -> dict[str, Any]:
    source = review.sources[answer.source]
    return {
        f"{side}_source": source.label,
        f"{side}_run": source.run_id,
        f"{side}_step": source.step,
        f"{side}_by": source.answers,
    }
