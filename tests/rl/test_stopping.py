"""A stop is obeyed within one forward pass, wherever it comes, and nothing of the run is lost."""

import pytest
import torch
from toy import RecordingObserver, toy_config, toy_pairs

from drpo.modeling.interrupt import StopAskedError, stops_between_passes
from drpo.modeling.models import load_models
from drpo.rl import checkpoint
from drpo.rl.checkpoint_folders import latest
from drpo.rl.trainer import train


class Impatient(RecordingObserver):
    """Asks to stop when it is asked for the n-th time, and counts how often it is asked on."""

    def __init__(self, patience=10**9):
        super().__init__()
        self.patience, self.asked = patience, 0

    def should_stop(self):
        self.asked += 1
        return self.asked > self.patience

    def remembered(self):
        return {}

    def control(self, step):
        control = super().control(step)
        return type(control)(stop=True) if self.asked > self.patience else control


def carried_out(config, folder, patience=10**9):
    """One run, stopped after so many questions and then gone on with; its end and its metrics."""
    told = {}
    for limit in (patience, 10**9):
        models, observer = load_models(config), Impatient(limit)
        kept = latest(folder) if folder.exists() else None
        state = None if kept is None else checkpoint.load(kept, models, config)
        state = train(
            models,
            toy_pairs(12),
            toy_pairs(6, 100),
            config,
            observer,
            checkpoint_dir=folder,
            state=state,
        )
        for step, values in observer.metrics_at.items():
            told.setdefault(step, {}).update(values)
        if limit != 10**9:
            # At most the question that was answered with yes, in each loop on the way out.
            assert observer.asked <= patience + 3
        if state.step == config.ppo.updates and not state.owes_evaluation:
            break
    figures = {
        step: {
            name: value for name, value in values.items() if not name.startswith(("timing", "eps"))
        }
        for step, values in told.items()
    }
    return models.weights_hash(), figures, observer.asked


@pytest.mark.parametrize("rank", [0, 2])
def test_a_run_stopped_anywhere_goes_on_to_the_same_end(
    model_folder, reward_folder, tmp_path, rank
):
    config = toy_config(
        model_folder(),
        reward_folder,
        lora_rank=rank,
        updates=2,
        eval_every=1,
        critic_warmup_steps=1,
        num_ppo_epochs=1,
    )
    weights, figures, questions = carried_out(config, tmp_path / "straight")
    assert questions > 60
    # In the first evaluation, while answers are drawn, scored and learned from, in the last one.
    for share in (0.1, 0.4, 0.55, 0.7, 0.95):
        found = carried_out(config, tmp_path / str(share), int(share * questions))
        assert found[0] == weights, share
        assert found[1].keys() == figures.keys()
        for step in figures:
            assert found[1][step] == pytest.approx(figures[step], nan_ok=True), (share, step)


def test_a_stop_is_obeyed_before_the_next_pass():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2))
    passes = []
    network[0].register_forward_hook(lambda *_: passes.append(1))
    stopping = stops_between_passes([network, None], lambda: len(passes) >= 3)

    def at_work():
        with stopping:
            for _ in range(10):
                network(torch.ones(1, 2))

    with pytest.raises(StopAskedError):
        at_work()
    assert len(passes) == 3
    network(torch.ones(1, 2))
    assert len(passes) == 4, "nothing is asked afterwards"
