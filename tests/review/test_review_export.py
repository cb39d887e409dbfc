import json

import pandas as pd
import pytest
from review_material import prefers, two_sources, vote_all

from drpo.data import Pair, load_pairs
from drpo.data.library.versions import save_version
from drpo.data.run_data import trainable
from drpo.errors import DataError
from drpo.review import ReviewSession, create_review, preference_rows, write_preferences


@pytest.fixture
def review(store):
    return create_review(store, "r", two_sources(store), items=20, repeats=4)


def test_votes_become_pairs_with_their_provenance(store, review):
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    rows = preference_rows(store, review.id)
    assert len(rows) == 20
    for row in rows:
        assert "tuned" in row["chosen"]
        assert "start" in row["rejected"]
        assert row["evaluation_prompt"] is True
        assert (row["chosen_source"], row["chosen_step"]) == ("tuned", 10)
        assert (row["votes_for"], row["votes_against"], row["reviewers"]) == (1, 0, "ann")
        assert row["review"] == review.id


def test_the_majority_decides_and_even_votes_and_ties_are_left_out(store, review):
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    vote_all(ReviewSession(store, review.id, "ben"), prefers("start"))
    with pytest.raises(DataError, match="has a winner"):
        preference_rows(store, review.id)
    cem = ReviewSession(store, review.id, "cem")
    first = cem.next()
    cem.vote(first.item, prefers("start")(first))
    vote_all(cem, lambda _: "tie")
    (row,) = preference_rows(store, review.id)
    assert "start" in row["chosen"]
    assert (row["votes_for"], row["votes_against"], row["reviewers"]) == (2, 1, "ann, ben, cem")


def test_without_votes_there_is_nothing_to_export(store, review):
    with pytest.raises(DataError, match="vote first"):
        preference_rows(store, review.id)


@pytest.mark.parametrize("name", ["votes.jsonl", "votes.parquet"])
def test_files_hold_the_rows_whole(store, review, tmp_path, name):
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    rows = preference_rows(store, review.id)
    path = tmp_path / name
    write_preferences(rows, path)
    if path.suffix == ".jsonl":
        read = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        read = pd.read_parquet(path).to_dict("records")
    assert read == rows
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["votes.jsonl", "votes.parquet"])
def test_exported_votes_import_again_and_stay_out_of_training(store, review, tmp_path, name):
    vote_all(ReviewSession(store, review.id, "ann"), prefers("tuned"))
    path = tmp_path / name
    write_preferences(preference_rows(store, review.id), path)
    loaded = load_pairs(str(path))
    assert len(loaded.pairs) == 20
    assert all("tuned" in pair.chosen for pair in loaded.pairs)
    version = save_version(store, loaded.pairs, "votes")
    saved = load_pairs(f"votes:{version.version}", store=store).pairs
    assert saved == loaded.pairs
    with pytest.raises(DataError, match="evaluated on"):
        trainable(saved, [], "votes")
    fresh = Pair("an unseen prompt", "a", "b")
    assert trainable([*saved, fresh], [], "votes") == [fresh]


def test_a_held_out_prompt_is_never_trained_on():
    train = [Pair("One prompt", "a", "b"), Pair("another", "a", "b")]
    assert trainable(train, [Pair("one  PROMPT", "c", "d")], "data") == train[1:]


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"\.jsonl or \.parquet"):
        write_preferences([], tmp_path / "votes.xlsx")
