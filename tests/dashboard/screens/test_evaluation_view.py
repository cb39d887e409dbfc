"""What Compare says of several runs: of which one, and only where more is better."""

import pytest
import screen_material
from screens import handed, problems, visit

from drpo.evaluation.storage import COMPARISON_KIND, KIND, comparison_key


@pytest.fixture
def twins(store):
    """Two runs of one name, evaluated, each with a start policy of its own."""
    runs = [screen_material.add_run(store, "same", updates=10, seed=seed) for seed in (0, 0)]
    rate = {"judge": "gold", "against": "start", "value": 0.7, "low": 0.6, "high": 0.8}
    for gold, run in enumerate(runs):
        start, figures = {"gold": 4.0 + gold}, {"gold": 6.0 + gold}
        body = {"step": 10, "terms": {}, "start": start, "figures": figures, "win_rates": [rate]}
        store.documents.put(KIND, f"{run.id}@10", body)
    key = comparison_key(f"{runs[0].id}@10", f"{runs[1].id}@10", "gold")
    store.documents.put(COMPARISON_KIND, key, {**rate, "n": 20})
    return [run.id for run in runs]


def over_optimisation(app):
    """The figure of the true against the learned score."""
    told = handed(app)
    [found] = [
        one["figure"] for one in told if "turns down" in one.get("alt", "") and "figure" in one
    ]
    return found


def test_runs_of_one_name_are_told_apart_in_what_was_evaluated(twins):
    app = visit("compare", runs=",".join(twins))
    assert problems(app) == []
    one, other = (f"same ({run_id[-6:]})" for run_id in twins)
    [table] = [frame.value for frame in app.dataframe if "True score" in frame.value.index]
    columns = [f"Start policy of {one}", one, f"Start policy of {other}", other]
    assert list(table.columns) == columns
    assert table.loc["True score"].tolist() == ["4.00", "6.00", "5.00", "7.00"]
    texts = [text.value for text in app.text]
    assert any(text.startswith(f"{one} against {other}: preferred in 70") for text in texts)
    labels = {trace["name"] for trace in over_optimisation(app)["data"]}
    assert labels == {one, other}


def test_joined_seeds_are_one_line_of_the_true_against_the_learned_score(store):
    ids = [
        screen_material.add_run(store, f"s, seed {seed}", updates=5, seed=seed).id
        for seed in range(8)
    ]
    app = visit("compare", runs=",".join(ids), by_seed="1")
    assert problems(app) == []
    figure = over_optimisation(app)
    assert len(figure["data"]) == 1
    assert [note["text"] for note in figure["layout"]["annotations"] if "seed" in note["text"]] == [
        "s (8 seeds)"
    ]


@pytest.mark.parametrize(
    ("metric", "said"), [("eval/gold", True), ("eval/repetition", False), ("eval/kl", False)]
)
def test_the_best_within_a_budget_is_told_only_of_a_reward(store, metric, said):
    screen_material.add_run(store, "mine", updates=5)
    app = visit("compare", metric=metric, budget="2")
    assert problems(app) == []
    assert app.selectbox(key="metric").value == metric
    assert any("Best within" in text.value for text in app.text) == said
    assert app.number_input(key="budget").value == 2
