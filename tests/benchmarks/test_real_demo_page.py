"""The real demo's page is made of what its runs wrote."""

import pytest
import screen_material

from benchmarks import real_demo
from drpo.files import write_json
from drpo.store import run_folder
from drpo.types import Sample

PROMPT = "You are a film critic.\n\nWas the quiet western about x any good? Answer in a word.\n\n"


def make_run(store, name, *, before="Fine.", after="Fine.", gold):
    """A finished run with twelve held-out answers before its first update and after its last."""
    run = screen_material.add_run(store, name, updates=8)
    store.samples.truncate(run.id, after_step=-1)
    for step, words in ((0, before), (8, after)):
        rows = [
            Sample(
                step,
                "heldout",
                item,
                "prompt",
                PROMPT,
                words,
                gold=gold * step + 0.01 * item * (1 + step),
                score=float(item),
                kl=0.0,
                finished=step == 8,
            )
            for item in range(12)
        ]
        store.samples.append(run.id, rows)
    summary = {**store.runs.get(run.id).summary, "reward_model": {"accuracy": 0.7}}
    store.runs.change(run.id, summary=summary)
    run_folder(run.id).mkdir(parents=True, exist_ok=True)
    cost = {"wall": 600.0, "processor": 1100.0, "first": 21.4}
    write_json(run_folder(run.id) / real_demo.COST, cost)


@pytest.fixture(autouse=True)
def _made(store):
    for name, words in ((real_demo.name_of(0), "A `fine` film."), (real_demo.WEAK_NAME, "Fine.")):
        make_run(store, name, before=words, after="so fine a film " * 4, gold=0.1)


def cells_of(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_a_row_for_each_seed_there_is_and_ten_films_to_read(store):
    text = real_demo.page(store, [0, 1, 2]).partition("## With a weak brake")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2
    cells = cells_of(rows[1])
    assert cells[:5] == ["real demo, seed 0", "1100", "600", "21", "70 %"]
    # Gaps of 0.8 + 0.08 * item over twelve items: mean 1.24, standard error 0.0833.
    assert cells[7].startswith("+1.24 ± 0.16")
    assert cells[8] == "14.9"
    assert cells[-1] == "0 % -> 100 %"
    assert text.count("**The quiet western about x**") == real_demo.SHOWN
    assert "`A 'fine' film. …`" in text


def test_the_weak_brakes_course_shows_reward_gold_and_language_side_by_side(store):
    text = real_demo.page(store, [0]).partition("## With a weak brake")[2]
    first, last = (line for line in text.splitlines() if line.startswith(("| 0 ", "| 8 ")))
    # Twelve scores from 0 to 11: mean 5.5, standard deviation 3.606, standard error 1.041.
    assert cells_of(first)[1:3] == ["5.50 ± 2.04", "0.06 ± 0.02"]
    assert cells_of(first)[4:] == ["0 %", "1", "0 %"]
    # Sixteen words, four different; of fourteen triples ten were said before.
    assert cells_of(last)[4:] == ["100 %", "4", "71 %"]


def test_a_run_that_is_there_is_not_made_again(store, monkeypatch):
    monkeypatch.setattr(real_demo, "start_worker", pytest.fail)
    real_demo.carry_out(store, real_demo.name_of(0), seed=0)


def test_a_run_without_resets_stands_beside_the_one_of_its_seed(store):
    make_run(store, real_demo.bare_name(0), gold=0.2)
    *_, row = real_demo.with_and_without(store, [0, 1])
    cells = cells_of(row)
    # Golds of 0.8 and 1.6, both with 0.09 * item over twelve items.
    assert (cells[0], cells[1][:4], cells[2][:4], cells[3]) == ("0", "1.30", "2.10", "-0.80 ± 0.00")
    for seed in (1, 2):
        make_run(store, real_demo.name_of(seed), gold=0.1 * seed)
        make_run(store, real_demo.bare_name(seed), gold=0.0)
    text = real_demo.page(store, [0, 1, 2])
    assert text.count("| -0.80 ± 0.00 |") == 1
    # The mean of -0.8, 0.8 and 1.6.
    assert "Over 3 seeds and all prompts at once +0.53 (" in text
