"""The study's plan, its arithmetic by hand, its report, and two real runs through the queue."""

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from drpo.config.reset_methods import METHODS, name_of
from drpo.config.run_config import RunConfig
from drpo.errors import RunError
from drpo.store import Store
from drpo.study import courses, execute, report, tables
from drpo.study.plan import (
    LADDER,
    Planned,
    demonstrations,
    ladder,
    methods,
    passes,
    start,
    strict,
    tldr,
    whole,
)
from drpo.study.svg_curves import curve, figure, panels
from drpo.system.processes import hostname
from drpo.types import Sample


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    opened = Store()
    yield opened
    opened.close()


def course(planned, gold, *, kl=1.0, every=5, per_update=64, win=None):
    gold = np.array(gold, dtype=float)
    episodes = np.arange(len(gold)) * every * per_update
    values = {"eval/gold": gold, "eval/kl": np.full(len(gold), kl)}
    return courses.Course(planned, "run", episodes.astype(float), values, 60.0, win or {})


def arms(**golds):
    return {
        arm: {seed: course(Planned("strict", arm, seed), gold) for seed, gold in enumerate(rows)}
        for arm, rows in golds.items()
    }


def finish(store, planned, gold):
    """Write a finished run as a worker would."""
    run = store.runs.create(RunConfig.of(data="d", policy="p"), story=planned.story)
    for place, value in enumerate(gold):
        metrics = {"eval/gold": value, "eval/scores": 2 * value, "eval/kl": float(place)}
        store.metrics.append(run.id, 5 * place, metrics)
    store.runs.change(run.id, status="finished", step=10, summary={"wall_seconds": 90.0})
    return run


def test_the_plan_is_the_whole_grid_with_the_same_seeds_in_every_arm():
    assert len(strict()) == 6 * 5
    assert len(tldr()) == 5 * 5
    assert len(start()) == 3 * 3 * 3
    assert len(methods()) == 2 * 5
    assert len(passes()) == 2 * 3
    sizes = {task: len(ladder(task)) for task in LADDER}
    arms = len(METHODS) + 3
    assert sizes == {"lock": (arms + 3) * 5, "addition": (arms + 3) * 5, "parity": (arms + 1) * 5}
    assert len(demonstrations()) == (4 + 4 + 2) * 5
    planned = whole()
    assert len({one.story for one in planned}) == len(planned)
    assert [one.seed for one in planned] == sorted(one.seed for one in planned)
    assert all(len(one.story) <= 64 for one in planned)


def test_every_planned_run_has_valid_settings(tmp_path):
    for one in whole():
        config = one.config(tmp_path)
        assert config.run.seed == one.seed
    third = next(one for one in start() if one.start == 0.03)
    assert third.config(tmp_path).models.policy == str(tmp_path / "start-0.03")
    # All methods begin at the same policy.
    assert {one.config(tmp_path).models.policy for one in methods()} == {
        one.config(tmp_path).models.policy for one in tldr()
    }
    assert all(one.config(tmp_path).stages.sft_epochs == 0 for one in methods())
    annealed = next(one for one in strict() if one.arm == "annealed").config(tmp_path)
    assert annealed.reset.reset_schedule == "adaptive"


def test_every_method_stands_on_one_footing_on_the_ladder(tmp_path):
    arms = {one.arm: one.config(tmp_path) for one in ladder("parity", seeds=1)}
    assert {name_of(arms[name]) for name in METHODS} == set(METHODS)
    shared = {(one.ppo.advantage, one.ppo.group_size, one.ppo.updates) for one in arms.values()}
    assert len(shared) == 1
    assert arms["drpo-1"].reset.reset_prob == 1
    assert arms["sft-ppo"].stages.sft_epochs > 0


def test_losers_are_listed_and_claims_of_a_task_are_corrected_together(store, tmp_path):
    planned = [
        one for one in ladder("parity", seeds=3) if one.arm in ("ppo", "adaback", "bread", "sft")
    ]
    finals = {"ppo": 0.1, "adaback": 0.9, "bread": 0.05, "sft": 0.0}
    for one in planned:
        noise = 0.01 * one.seed * (1 if one.arm == "ppo" else -1)
        finish(store, one, [0.0, 0.0, finals[one.arm] + noise])
    found = courses.by_arm(courses.courses(store, planned), "parity")
    alone = {
        arm: tables.paired_difference(
            [c.final("eval/gold") for c in found[arm].values()],
            [c.final("eval/gold") for c in found["ppo"].values()],
        ).p_value
        for arm in ("adaback", "bread", "sft")
    }
    together = tables.corrected(found, "ppo")
    smallest = min(alone, key=alone.get)
    assert together[smallest]["end"] == pytest.approx(3 * alone[smallest])
    assert together["ppo"] == {}
    text = report.write(store, planned, tmp_path / "docs").read_text()
    assert "### Latent parities" in text
    for arm in finals:
        assert f"| {arm} | 3 |" in text, "losers are listed too"
    assert (tmp_path / "docs" / "study" / "parity.csv").is_file()


def test_the_hours_left_fall_to_nothing_as_runs_finish(store, tmp_path):
    planned = ladder("parity", seeds=1)[:2]
    before = execute.hours_left(store, planned, tmp_path)
    finish(store, planned[0], [0.0, 0.5])
    half = execute.hours_left(store, planned, tmp_path)
    assert 0 < half < before
    finish(store, planned[1], [0.0, 0.5])
    assert execute.hours_left(store, planned, tmp_path) == 0


def test_episodes_to_a_level_are_read_between_evaluations():
    one = course(Planned("strict", "p0", 0), [0.0, 0.1, 0.3, 0.2])
    # .2 lies half-way between the evaluations after 320 and 640 episodes.
    assert tables.reaches(one, "eval/gold", 0.2, one.episodes) == pytest.approx(480)
    assert tables.reaches(one, "eval/gold", 0.0, one.episodes) == 0
    assert tables.reaches(one, "eval/gold", 0.31, one.episodes) is None


def test_the_speed_table_by_hand():
    frame = tables.speed(
        arms(p0=[[0, 0, 0.1], [0, 0, 0.3]], **{"p0.5": [[0, 0.3, 0.5], [0, 0.3, 0.7]]})
    ).set_index("arm")
    # Best mean final rate .6, half of it .3.
    assert frame.loc["p0.5", "level"] == pytest.approx(0.3)
    assert frame.loc["p0.5", "episodes"] == pytest.approx(320)
    assert frame.loc["p0", "reached"] == 1
    # One seed never got there and one at the very end: both count 640.
    assert frame.loc["p0", "episodes"] == pytest.approx(640)
    assert frame.loc["p0.5", "against_none"] == pytest.approx(0.4)
    # Both differences are .4, so the paired interval has no width.
    assert frame.loc["p0.5", "against_none_low"] == pytest.approx(0.4)
    # 640 less 320 on both seeds.
    assert frame.loc["p0.5", "sooner"] == pytest.approx(320)
    assert frame.loc["p0.5", "sooner_low"] == pytest.approx(320)
    # Two seeds at .1 and .3: Student's interval would reach from -1.07 to 1.47.
    assert frame.loc["p0", "final_low"] == 0
    assert frame.loc["p0", "final_high"] == 1


def test_differences_are_paired_by_seed_and_use_only_shared_seeds():
    grid = arms(p0=[[0, 0.1], [0, 0.5]], **{"p0.5": [[0, 0.2], [0, 0.6], [0, 9.0]]})
    gain = tables.against(grid["p0.5"], grid["p0"], "eval/gold")
    assert (gain.value, gain.n) == (pytest.approx(0.1), 2)


def test_at_equal_tokens_an_arm_that_writes_more_has_learned_less():
    grid = arms(p0=[[0, 0.2, 0.4], [0, 0.2, 0.4]], **{"p0.5": [[0, 0.3, 0.6], [0, 0.3, 0.6]]})
    each = {"p0": 100.0, "p0.5": 200.0}
    grid = {
        arm: {s: replace(c, tokens=np.arange(3) * each[arm]) for s, c in seeds.items()}
        for arm, seeds in grid.items()
    }
    frame = tables.speed(grid).set_index("arm")
    # The control wrote 200 in all; by then the other arm is at its first evaluation.
    assert frame.loc["p0", "budget"] == 200
    assert frame.loc["p0", "at_budget"] == pytest.approx(0.4)
    assert frame.loc["p0.5", "at_budget"] == pytest.approx(0.3)
    assert frame.loc["p0.5", "budget_against_none"] == pytest.approx(-0.1)
    assert frame.loc["p0.5", "against_none"] == pytest.approx(0.2)


def test_other_prompts_are_part_of_the_interval(store):
    rng = np.random.default_rng(0)
    hard = rng.random(64) < 0.5
    planned = [one for one in ladder("lock", seeds=5) if one.arm in ("ppo", "adaback")]
    for one in planned:
        run = finish(store, one, [0.0, 0.5])
        store.metrics.append(run.id, 5, {"eval/prompts": 64.0, "num_tokens": 700.0})
        for step in (0, 5):
            right = step * ~hard if one.arm == "adaback" else 0.0 * hard
            answers = [
                Sample(step, "heldout", n, "prompt", "p", "r", gold=float(right[n] > 0))
                for n in range(64)
            ]
            store.samples.append(run.id, answers)
    found = courses.by_arm(courses.courses(store, planned), "lock")
    assert found["ppo"][0].tokens.tolist() == [0, 700]
    gap = tables.against(found["adaback"], found["ppo"], "eval/gold")
    # All seeds did exactly alike, so over seeds alone there would be no width at all.
    assert gap.method == "crossed"
    assert gap.high - gap.low > 0.2
    frame = tables.speed(found, without="ppo").set_index("arm")
    assert frame.loc["adaback", "final"] == pytest.approx((~hard).mean())


def test_annealing_is_held_against_the_better_constant_arm():
    found = [
        course(Planned("start", f"0.1-{arm}", seed), [0.1, 0.2, final])
        for arm, final in (("p0", 0.9), ("p0.5", 0.6), ("annealed", 0.8))
        for seed in range(3)
    ]
    (row,) = tables.start_line(found, [0.1, 0.03]).to_dict("records")
    assert row["resets_gain"] == pytest.approx(-0.3)
    assert row["annealed_gain"] == pytest.approx(-0.1)
    assert row["measured"] == pytest.approx(0.1)
    assert row["annealed_gain_over"] == pytest.approx(0.5 - 0.55)
    assert row["resets_gain_over"] == pytest.approx(0.4 - 0.55)


def test_curves_are_drawn_as_well_formed_svg_with_escaped_labels():
    one = curve("a <b> & c", [np.arange(4.0)] * 2, [np.arange(4.0), np.arange(4.0) + 1])
    assert one.mean.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert one.error.tolist() == pytest.approx([0.5] * 4)
    drawn = figure("t", "x", "y", [one, curve("d", [np.arange(3.0)], [np.zeros(3)])])
    root = ET.fromstring(drawn)
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a <b> & c" in texts


def test_more_arms_than_one_picture_holds_stand_in_panels_of_the_same_axes():
    x = [np.arange(4.0)]
    others = [curve(f"arm <{n}>", x, [np.full(4, n / 10)]) for n in range(7)]
    root = ET.fromstring(panels("t", "episodes", "y", curve("none", x, [np.ones(4)]), others))
    names = {"svg": "http://www.w3.org/2000/svg"}
    texts = [node.text for node in root.findall("svg:text", names)]
    assert [text for text in texts if text.startswith("arm")] == [one.label for one in others]
    # The control before each, at the same height of its own panel as the first.
    lines = [line.get("points").split() for line in root.findall("svg:polyline", names)]
    assert len(lines) == 2 * len(others)
    first, fourth = (float(lines[2 * n][0].split(",")[1]) for n in (0, 3))
    assert fourth - first == pytest.approx(150)


def test_the_report_holds_tables_with_intervals_curves_and_raw_figures(store, tmp_path):
    planned = [one for one in whole(["strict", "tldr"], seeds=3) if one.arm in ("p0", "p0.5")]
    for one in planned:
        gain = 0.5 if one.arm == "p0.5" else 0.1
        run = finish(store, one, [0.0, 0.1, gain + 0.01 * one.seed])
        rate = {"against": "chosen", "judge": "gold", "value": gain}
        store.documents.put("evaluation", f"{run.id}@10", {"win_rates": [rate]})
    path = report.write(store, planned, tmp_path / "docs")
    text = path.read_text()
    assert "| no resets | 11.00 (8.52 to 13.48) |" in text
    assert "40.00 (40.00 to 40.00) | helps" in text
    assert "3 of 3" in text
    assert "50.00 (50.00 to 50.00)" in text
    assert "study/strict.svg" in text
    with (tmp_path / "docs" / "study" / "raw.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 * 3
    # What is of the whole run stands beside its last evaluation, so that tables can be recomputed.
    assert [bool(row["seconds"]) for row in rows] == [False, False, True] * 12
    assert {row["win_gold"] for row in rows if row["seconds"]} == {"0.1", "0.5"}
    ET.parse(tmp_path / "docs" / "study" / "strict.svg")


def test_the_report_says_from_which_start_annealing_falls_behind(store, tmp_path):
    planned = [one for one in whole(["start"], seeds=3) if one.start in (0.03, 0.1)]
    finals = {"0.03-annealed": 0.8, "0.1-annealed": 0.9}  # of .9 without resets
    for one in planned:
        high = finals.get(one.arm, 0.9)
        finish(store, one, [one.start, 0.9 if "annealed" in one.arm else 0.5, high])
    text = report.write(store, planned, tmp_path / "docs").read_text()
    assert (
        "worse at the end than the better constant arm, beyond its interval, from a start of "
        "3 %." in text
    )
    assert "Nowhere is annealing worse over all of training" in text


def test_faulty_demonstrations_stand_beside_right_ones_and_none(store, tmp_path):
    planned = [
        one
        for one in whole(["lock", "demonstrations"], seeds=3)
        if one.arm in ("ppo", "drpo", "lock-noisy-drpo", "lock-other-drpo")
    ]
    finals = {"ppo": 0.2, "drpo": 0.8, "lock-noisy-drpo": 0.6, "lock-other-drpo": 0.3}
    for one in planned:
        shown = one.config(tmp_path).data.demonstrations
        assert (shown is None) == (one.experiment == "lock")
        finish(store, one, [0.0, 0.0, finals[one.arm] + 0.01 * one.seed])
    text = report.write(store, planned, tmp_path / "docs").read_text()
    assert "| lock | drpo | noisy | 3 | 61.00" in text
    rows = pd.read_csv(tmp_path / "docs/study/demonstrations.csv").set_index("shown")
    assert rows.loc["noisy", "against_none"] == pytest.approx(0.4)
    # Over training: the mean of the evaluations behind the first.
    assert rows.loc["other", "over_against_right"] == pytest.approx(-0.5 / 2)


def test_a_study_without_runs_reports_that(store, tmp_path):
    text = report.write(store, whole(seeds=1), tmp_path / "docs").read_text()
    assert "0 finished" in text
    assert "## 1" not in text


def test_queued_runs_are_found_again_and_interrupted_ones_go_on(store, tmp_path):
    planned = whole(["strict"], seeds=1)
    execute.queue(store, planned, tmp_path)
    execute.queue(store, planned, tmp_path)
    assert len(store.runs.all()) == len(planned)
    first = execute.run_of(store, planned[0])
    store.runs.change(first.id, status="interrupted")
    assert execute.standing(store, planned).missing == 1
    execute.queue(store, planned, tmp_path)
    assert execute.run_of(store, planned[0]).status == "queued"


def test_a_start_policy_that_cannot_be_made_is_a_sentence(tmp_path):
    impossible = [Planned("start", "x", 0, {}, start=-1.0)]
    with pytest.raises(RunError, match="start--1"):
        execute.make_starts(impossible, tmp_path, lambda _: None)


@pytest.mark.slow
def test_a_stopped_study_goes_on_to_its_end_and_its_report(store, tmp_path, monkeypatch):
    # Threads of one process load models one after the other: transformers is not made for more.
    monkeypatch.setenv("DRPO_CPU_SLOTS", "1")
    quick = {
        "task": "tldr",
        "updates": 2,
        "episodes_per_update": 4,
        "eval_every": 1,
        "eval_prompts": 4,
        "micro_batch_size": 4,
        "executor": "thread",
    }
    planned = [
        Planned("tldr", arm, 0, {**quick, "reset_prob": prob})
        for arm, prob in (("p0", 0.0), ("p0.5", 0.5))
    ]
    said = []
    at_once = execute.carry_out(store, planned, tmp_path, hours=0, progress=said.append)
    assert at_once.finished < 2
    # A worker that died with the machine: the store still says that it runs.
    lost = execute.run_of(store, planned[1])
    store.runs.change(lost.id, status="running", pid=2**22 + 1, pid_started=1.0, host=hostname())
    done = execute.carry_out(store, planned, tmp_path, hours=1, progress=said.append)
    assert (done.finished, done.failed) == (2, 0)
    found = courses.courses(store, planned)
    assert [len(one.episodes) for one in found] == [3, 3]
    assert found[0].episodes.tolist() == [0, 4, 8]
    text = report.write(store, planned, tmp_path / "docs").read_text()
    assert "resets .5" in text
    assert json.dumps(said)
