"""Runs of several methods, really trained on a tiny model, evaluated on the same footing."""

import json
import math
import shutil
import threading
import time

import pytest
from screens import problems, shown, visit
from toy import WORDS, toy_config

from drpo.cli import main
from drpo.dashboard.screens.compare import evaluation_view
from drpo.errors import DataError, RunError
from drpo.evaluation.evaluate import Terms, evaluate
from drpo.evaluation.policies import contestant
from drpo.i18n.format import number
from drpo.metrics.table import evaluated
from drpo.review import ReviewSource, create_review
from drpo.runs import worker
from drpo.store import Store
from drpo.system import jobs


def write_pairs(path, first, count):
    rows = []
    for i in range(first, first + count):
        word, other = WORDS[i % 4], WORDS[(i + 1) % 4]
        rows.append(
            {
                "prompt": f"case {i} {word}:",
                "chosen": f" {word}",
                "rejected": f" {other}",
                "facts": {"colour": word},
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    gold = {"kind": "facts", "strict": False, "slots": {"colour": list(WORDS)}}
    path.with_name(path.name + ".gold.json").write_text(json.dumps(gold))


@pytest.fixture(scope="module")
def home(tmp_path_factory, model_folder, reward_folder):
    """A workspace with finished runs, made once."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("DRPO_HOME", str(folder))
    patch.setenv("OMP_NUM_THREADS", "1")
    patch.delenv("DRPO_DATABASE_URL", raising=False)
    write_pairs(folder / "train.jsonl", 0, 24)
    write_pairs(folder / "heldout.jsonl", 100, 10)
    store = Store()
    runs = {}
    for name, settings in {
        "drpo": {},
        "strong": {"learning_rate": 0.05},
        "bon": {"method": "best_of_n", "best_of_n": 4},
        "sft": {"method": "sft", "sft_epochs": 1.0},
        "dpo": {"method": "dpo"},
        "leaky": {"data": str(folder / "heldout.jsonl"), "heldout": str(folder / "train.jsonl")},
    }.items():
        config = toy_config(model_folder(), reward_folder).replace(
            **{
                "name": name,
                "data": str(folder / "train.jsonl"),
                "updates": 2,
                "heldout": str(folder / "heldout.jsonl"),
                "eval_prompts": 10,
                **settings,
            }
        )
        run = store.runs.create(config)
        assert worker.execute(run.id, store) == "finished", store.runs.get(run.id).error
        runs[name] = run.id
    yield folder, store, runs
    store.close()
    patch.undo()


@pytest.fixture(scope="module")
def evaluation(home):
    _, store, runs = home
    contestants = [
        contestant(store, runs[name]) for name in ("drpo", "strong", "bon", "sft", "dpo")
    ]
    return evaluate(store, contestants)


def test_all_methods_answer_the_same_prompts(evaluation):
    prompts = [[row.prompt for row in one.rows] for one in evaluation.contestants]
    assert all(asked == prompts[0] for asked in prompts)
    assert len(prompts[0]) == 10


def test_the_figures_are_those_the_run_saw_at_its_last_evaluation(home, evaluation):
    _, store, _ = home
    for one in evaluation.contestants:
        last = store.runs.get(one.contestant.run_id).summary["last"]
        assert last["step"] == one.contestant.step
        for name in ("scores", "gold", "kl", "mean_length"):
            assert one.figures[name] == pytest.approx(last[name], abs=1e-5), name


def test_the_figures_of_an_evaluation_are_those_that_the_page_of_metrics_lists(evaluation):
    listed = set(evaluated())
    for one in evaluation.contestants:
        assert set(one.figures) == listed
        assert set(one.start_figures) == listed


def test_every_method_starts_from_the_same_answers(evaluation):
    starts = [[row.start.text for row in one.rows] for one in evaluation.contestants]
    assert all(answers == starts[0] for answers in starts)
    assert evaluation.contestants[0].start_figures["kl"] == pytest.approx(0, abs=1e-6)


def test_the_weights_are_named_as_the_samples_of_the_run_name_them(home, evaluation):
    _, store, runs = home
    samples = store.samples.at(runs["strong"], 2)
    assert {sample.weights for sample in samples} == {evaluation.contestants[1].weights}
    assert evaluation.contestants[0].weights != evaluation.contestants[1].weights


def test_best_of_n_never_scores_below_the_start_policy_and_states_the_known_kl(evaluation):
    bon = evaluation.contestants[2]
    assert all(row.policy.score >= row.start.score for row in bon.rows)
    assert bon.figures["kl"] == pytest.approx(math.log(4) - 3 / 4)
    rates = {(opponent, rate.judge): rate for opponent, rate in bon.win_rates}
    assert rates["start", "reward_model"].losses == 0


def test_win_rates_come_from_every_judge_against_every_opponent(evaluation):
    for one in evaluation.contestants:
        kinds = {(opponent, rate.judge) for opponent, rate in one.win_rates}
        assert kinds == {
            ("start", "reward_model"),
            ("start", "gold"),
            ("chosen", "reward_model"),
            ("chosen", "gold"),
        }
        for _, rate in one.win_rates:
            assert rate.interval.low <= rate.interval.value <= rate.interval.high
    # The chosen answers state their colour, and the random model's never do.
    gold = {o: r for o, r in evaluation.contestants[0].win_rates if r.judge == "gold"}
    assert gold["chosen"].losses >= 9


def test_duels_are_counted_by_hand(evaluation):
    first, second = evaluation.contestants[:2]
    wins = sum(
        b.policy.score > a.policy.score for a, b in zip(first.rows, second.rows, strict=True)
    )
    (duel,) = [
        rate
        for subject, other, rate in evaluation.duels
        if (subject, other) == (second.contestant.key, first.contestant.key)
        and rate.judge == "reward_model"
    ]
    assert duel.wins == wins
    # Every pair of the five, by two judges.
    assert len(evaluation.duels) == 10 * 2


def test_results_are_kept_for_the_screens_and_can_be_reviewed(home, evaluation):
    _, store, runs = home
    body = store.documents.get("evaluation", f"{runs['drpo']}@2")
    assert body["figures"] == evaluation.contestants[0].figures
    assert len(body["answers"]) == 10
    json.dumps(body, allow_nan=False)
    # Training kept 2 answers for reading; the evaluation kept all, so all can be judged.
    sources = [ReviewSource("start", runs["strong"], 0), ReviewSource("strong", runs["strong"], 2)]
    review = create_review(store, "r", sources, items=10)
    assert len(review.items) + review.identical == 10
    comparison = store.documents.all("comparison")
    assert len(comparison) == len(evaluation.duels)


def test_an_earlier_step_can_be_evaluated_and_step_0_is_the_start_policy(home):
    _, store, runs = home
    start = contestant(store, f"{runs['drpo']}@0")
    found = evaluate(store, [start], terms=Terms(prompts=4)).contestants[0]
    assert len(found.rows) == 4
    assert [row.policy.text for row in found.rows] == [row.start.text for row in found.rows]
    with pytest.raises(RunError, match="kept its policy at steps 0, 2"):
        contestant(store, f"{runs['drpo']}@1")
    with pytest.raises(RunError, match="behind @"):
        contestant(store, f"{runs['drpo']}@last")


def test_another_seed_draws_other_answers_and_the_same_seed_the_same(home):
    _, store, runs = home
    one = contestant(store, runs["drpo"])
    drawn = [
        [
            row.policy.text
            for row in evaluate(store, [one], terms=Terms(seed=seed)).contestants[0].rows
        ]
        for seed in (5, 5, 6)
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_prompts_that_another_run_was_trained_on_are_not_used(home):
    _, store, runs = home
    with pytest.raises(DataError, match="nobody was trained on"):
        # `leaky` was trained on the held-out prompts of `drpo`.
        evaluate(store, [contestant(store, runs["drpo"]), contestant(store, runs["leaky"])])


def test_the_command_prints_the_win_rate_with_its_interval(home, capsys):
    _, _, runs = home
    with pytest.raises(SystemExit) as ended:
        main(["eval", runs["drpo"], runs["strong"]])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"{runs['strong']}@2 against {runs['drpo']}@2: preferred in" in said
    lines = said.splitlines()
    under = lines[next(n for n, line in enumerate(lines) if line.startswith(runs["drpo"])) + 1]
    assert under.startswith("  its start policy")
    assert "95 % intervals" in said
    assert "too few evaluations" in said
    with pytest.raises(SystemExit):
        main(["eval", runs["drpo"], runs["strong"], "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in document["runs"]] == [runs["drpo"], runs["strong"]]
    for duel in document["duels"]:
        assert 0 <= duel["low"] <= duel["value"] <= duel["high"] <= 1


def evaluated_beside(place, run_ids):
    """Evaluate in a process of its own, as the screen does; how the task ended."""
    jobs.start(place, "drpo.evaluation.job", {"runs": run_ids})
    until = time.monotonic() + 300
    while (status := jobs.status(place)).state == "running" and time.monotonic() < until:
        time.sleep(0.2)
    return status


def test_the_screen_evaluates_in_a_process_of_its_own_and_shows_what_it_found(home):
    folder, store, runs = home
    place = folder / "task"
    status = evaluated_beside(place, [runs["drpo"], runs["dpo"]])
    assert status.state == "done", (place / "log.txt").read_text()

    both = [store.runs.get(runs[name]) for name in ("drpo", "dpo")]
    known = evaluation_view.known_of(both)
    shown = evaluation_view.table(known, {run.id: run.name for run in both})
    assert list(shown.columns) == ["Start policy", "drpo", "dpo"]
    figures = known[runs["dpo"]]["figures"]
    row = shown["dpo"]
    assert row["KL, nats"] == f"{number(figures['kl'])} ± {number(figures['kl_se'])}"
    [rate] = [
        rate
        for rate in known[runs["dpo"]]["win_rates"]
        if (rate["against"], rate["judge"]) == ("start", "gold")
    ]
    assert row["Preferred to start policy, % (true score)"].startswith(f"{100 * rate['value']:.0f}")
    told = evaluation_view.duels(known, {run.id: run.name for run in both})
    assert any(sentence.startswith("dpo against drpo: preferred in") for sentence in told)


class StopAfter(threading.Event):
    """Asks a run to stop once it has done so many updates."""

    def __init__(self, store, run_id, updates):
        super().__init__()
        self.reached = lambda: store.runs.get(run_id).step >= updates

    def is_set(self):
        return self.reached()


@pytest.fixture
def stopped_between(home, model_folder, reward_folder):
    """A run that was evaluated after update 2 and stopped after update 3."""
    folder, store, _ = home
    config = toy_config(model_folder(), reward_folder).replace(
        name="stopped",
        data=str(folder / "train.jsonl"),
        heldout=str(folder / "heldout.jsonl"),
        updates=6,
        eval_every=2,
        eval_prompts=10,
    )
    run = store.runs.create(config)
    assert worker.execute(run.id, store, StopAfter(store, run.id, 3)) == "stopped"
    run = store.runs.get(run.id)
    assert (run.step, run.summary["last"]["step"]) == (3, 2)
    return run


def test_a_run_stopped_between_evaluations_is_evaluated_and_shown(home, stopped_between):
    folder, _, _ = home
    app = visit("compare", runs=stopped_between.id)
    assert "Not evaluated yet" in shown(app)
    app.button(key="evaluate").click().run()
    [place] = (folder / "evaluations").iterdir()
    until = time.monotonic() + 300
    while jobs.status(place).state == "running" and time.monotonic() < until:
        time.sleep(0.2)
    app.run()
    assert problems(app) == []
    assert "Not evaluated yet" not in shown(app)
    assert any("stopped" in table.value.columns for table in app.dataframe)


def test_the_newest_policy_stands_for_a_run_whose_last_evaluation_is_gone(home, stopped_between):
    folder, store, _ = home
    run = stopped_between
    assert evaluation_view.step_of(run) == contestant(store, run.id).step == 2
    without = {key: value for key, value in run.summary.items() if key != "last"}
    store.runs.change(run.id, summary=without)
    resumed = store.runs.get(run.id)
    assert evaluation_view.step_of(resumed) == contestant(store, run.id).step == 3
    assert evaluation_view.known_of([resumed]) == {}
    # Of a large model only the checkpoint is kept, not the policy of the evaluation before it.
    shutil.rmtree(folder / "runs" / run.id / "checkpoints" / "step-000002")
    assert evaluation_view.step_of(run) == 3


def test_an_evaluation_that_cannot_be_made_fails_with_its_sentence(home):
    folder, _, runs = home
    status = evaluated_beside(folder / "bad", [runs["drpo"], runs["leaky"]])
    assert status.state == "failed"
    assert "at least 2 that nobody was trained on" in status.error


def test_a_run_without_a_policy_is_a_sentence(home):
    _, store, _ = home
    config = toy_config("nowhere", "nowhere", name="queued")
    run = store.runs.create(config)
    with pytest.raises(RunError, match="kept no policy"):
        contestant(store, run.id)
