"""The examples do what they say, with few updates."""

import importlib.util
import json
from pathlib import Path

import pytest

import drpo

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOK = EXAMPLES / "quickstart.ipynb"
FEW = {"updates": 1, "episodes_per_update": 8, "eval_prompts": 8, "sample_prompts": 4}


@pytest.fixture(autouse=True)
def workspace_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)


def example(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_training_with_and_without_resets(capsys):
    evaluation = example("train_from_python").main(**FEW)
    assert [one.contestant.config.run.method for one in evaluation.contestants] == ["ppo", "drpo"]
    said = capsys.readouterr().out
    assert "reset: [" in said
    assert said.rstrip().splitlines()[-1].startswith("TL;DR:")


def test_a_reward_of_ones_own(capsys):
    module = example("custom_reward")
    run = module.main(**FEW)
    for sample in run.samples():
        assert [sample.score] == pytest.approx(module.reward([sample.prompt], [sample.response]))
    assert "eval/mean_length" in capsys.readouterr().out


def test_the_reward_of_the_example_by_hand():
    reward = example("custom_reward").reward
    posts = ["POST: A red kite.\nTL;DR:"] * 3
    answers = [" A red kite.", " A blue kite flew.", " red" * 12]
    assert reward(posts, answers) == pytest.approx([1.0, 0.5, 0.8])


def test_every_cell_of_the_notebook_runs(monkeypatch):
    sample = drpo.demo_config
    monkeypatch.setattr(drpo, "demo_config", lambda **asked: sample(**asked | FEW), raising=False)
    names = {"__name__": "__main__"}
    for at, cell in enumerate(cells("code")):
        exec(compile("".join(cell["source"]), f"cell {at}", "exec"), names)
    assert names["run"].step == 1
    assert names["found"].win_rates()["judge"].isin(["reward_model", "gold"]).all()


def test_the_notebook_is_kept_without_what_it_printed():
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    for cell in cells("code"):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
    identities = [cell["id"] for cell in document["cells"]]
    assert len(set(identities)) == len(identities)


def cells(kind):
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in document["cells"] if cell["cell_type"] == kind]
