"""What evaluations leave in the store is found again under its own key."""

from drpo.evaluation.storage import COMPARISON_KIND, LONGEST_KEY, comparison_key, comparison_of


def test_two_judges_of_runs_with_long_names_do_not_share_a_key(store):
    subject, other = f"{'a' * 64}@120", f"{'b' * 64}@120"
    for judge in ("gold", "reward_model"):
        key = comparison_key(subject, other, judge)
        assert len(key) <= LONGEST_KEY
        store.documents.put(COMPARISON_KIND, key, {"judge": judge})
    for judge in ("gold", "reward_model"):
        assert comparison_of(store, subject, other, judge) == {"judge": judge}
    assert comparison_of(store, other, subject, "gold") is None


def test_a_short_key_can_be_read():
    assert comparison_key("run@3", "other@3", "gold") == "run@3~other@3~gold"
