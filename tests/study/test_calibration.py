"""Whether the advice named the best arm, counted on tasks whose best arm is known."""

import numpy as np

from drpo.advice.advise import BARS, Bars
from drpo.advice.look import GROUP, TENTHS, Depth, Look, as_document, from_document
from drpo.store import Store
from drpo.study import calibration
from drpo.study.courses import Course
from drpo.study.plan import Planned, ladder


def look_of(rates, groups=50):
    """A look whose continuations succeed at a rate by depth, dealt out evenly."""
    depths = []
    for tenth, rate in enumerate(rates):
        wins = np.floor(np.arange(1, groups * GROUP + 1) * rate + 1e-9)
        outcomes = np.diff(wins, prepend=0).reshape(groups, GROUP).tolist()
        depths.append(Depth(tenth / TENTHS, outcomes))
    return Look(tuple(depths), 0.5, -1.0, groups, 1.0, groups * GROUP * TENTHS)


def case(task, rates, seeds=3, **finals):
    """A task with a look and arms that came to some success on every prompt but for the seed."""
    arms = {}
    for arm in ("ppo", "drpo", "drpo-0.25", "adaback", "sft"):
        arms[arm] = {}
        for seed in range(seeds):
            reached = finals.get(arm, 0.1) + 0.01 * seed
            answers = np.tile([[0.0], [reached]], (1, 8))
            planned = Planned(task, arm, seed)
            values = {"eval/gold": answers.mean(axis=1)}
            arms[arm][seed] = Course(
                planned, "run", np.array([0.0, 64.0]), values, 1.0, {}, None, answers
            )
    return calibration.Case(task, look_of(rates), arms)


LATE = [0.0] * 5 + [0.1, 0.2, 0.3, 0.4, 0.5]
EARLY = [0.3] + [0.5] * 9


def test_the_advice_and_both_habits_stand_beside_the_best_arm():
    tried = [
        case("late", LATE, adaback=0.8, drpo=0.79, sft=1.0),
        case("early", EARLY, ppo=0.6, drpo=0.3),
    ]
    frame = calibration.table(tried).set_index(["task", "choice"])
    late = frame.loc["late"]
    # Imitation is no way to reset, however well it does.
    assert set(late["best"]) == {"adaback"}
    assert (late.loc["the advice", "arm"], late.loc["the advice", "is_best"]) == ("adaback", True)
    # Every seed and prompt has the same gap, so even a hundredth is beyond the interval.
    assert not late.loc["always resets at .5", "within"]
    assert frame.loc[("early", "the advice"), "is_best"]
    assert frame.loc[("early", "never resets"), "is_best"]
    assert not frame.loc[("early", "always resets at .5"), "within"]


def test_lines_are_fitted_without_the_task_they_are_tried_on():
    # Here the data's own depth misleads: what looks late is best met by uniform resets.
    misled = case("misled", LATE, drpo=0.9, adaback=0.2)
    assert calibration.fitted([misled]).deep > 0.45
    alone = case("alone", LATE, adaback=0.9)
    frame = calibration.table([misled, alone]).set_index(["task", "choice"])
    fitted = "the advice, fitted to the other tasks"
    assert frame.loc[("alone", fitted), "arm"] == "drpo"
    assert frame.loc[("misled", fitted), "arm"] == "adaback"


def test_where_other_lines_do_no_better_those_in_use_stay():
    assert calibration.fitted([case("late", LATE, adaback=0.8)]) == BARS == Bars()
    assert BARS in calibration.GRID


def test_a_look_is_kept_whole():
    found = look_of(LATE)
    assert from_document(as_document(found)) == found


def test_a_task_without_every_arm_or_without_a_look_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    store = Store()
    whole = case("lock", LATE)
    found = [course for seeds in whole.arms.values() for course in seeds.values()]
    assert calibration.cases(store, found) == []
    store.documents.put(calibration.LOOK, "lock", as_document(whole.look))
    assert [one.task for one in calibration.cases(store, found)] == ["lock"]
    fewer = [course for course in found if course.planned.arm != "adaback"]
    assert calibration.cases(store, fewer) == []
    store.close()


def test_every_advice_names_an_arm_of_the_ladder():
    assert set(calibration.ARMS.values()) <= {one.arm for one in ladder("lock", seeds=1)}
