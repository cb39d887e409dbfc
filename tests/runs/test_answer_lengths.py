"""How many answers a run's length limit cuts is said before it starts, whatever the data are."""

import json

import pytest
from runs import small_config

from drpo.data.library.versions import save_version
from drpo.data.pairs import Pair
from drpo.runs.answer_lengths import cut_answers
from tests.screens import shown, visit

PAIRS = [Pair(f"p{n}", " " + "x" * (10 if n % 4 else 99), " y", row=n + 1) for n in range(40)]


@pytest.fixture
def written(tmp_path):
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in PAIRS]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "x.jsonl"


def test_a_file_and_a_saved_set_are_counted_alike(
    written, store, model_folder, reward_folder, tmp_path
):
    save_version(store, PAIRS, "saved")
    config = small_config(tmp_path, model_folder(), reward_folder, response_length=11)
    for data in (str(written), "saved", "saved:1"):
        found = cut_answers(config.replace(data=data), store)
        assert (found.length, found.share, found.proposed) == (11, 0.25, 104)
        assert cut_answers(config.replace(data=data, response_length=10), store).share == 1.0
    assert cut_answers(config.replace(data="owner/name"), store) is None
    assert cut_answers(config.replace(policy="owner/elsewhere"), store) is None


@pytest.mark.usefixtures("nothing_cached", "english")
def test_launch_says_it_and_takes_what_the_data_ask_for(store, model_folder):
    save_version(store, PAIRS, "saved")
    asked = {"start": "blank", "data": "saved:1", "policy": str(model_folder())}
    app = visit("launch", **asked, response_length="11")
    said = "11 tokens cut 25\u202f% of the chosen answers; 104 would cut at most 5 %."
    assert said in shown(app)
    app.button(key="take_length").click().run()
    assert not app.exception
    assert "104 tokens cut 0\u202f% of the chosen answers." in shown(app)
