"""The loop as a whole."""

from toy import Listener, toy_config, toy_pairs

from drpo.models import load_models
from drpo.trainer import train


def test_a_run_tells_metrics_samples_and_checkpoints(model_folder, reward_folder, tmp_path):
    config = toy_config(model_folder(), reward_folder)
    listener = Listener()
    models = load_models(config)
    state = train(
        models, toy_pairs(20), toy_pairs(6, 100), config, listener, checkpoint_dir=tmp_path
    )
    assert state.step == 4
    assert state.episodes == 32
    assert sorted(listener.told) == [0, 1, 2, 3, 4]
    assert [e for e in listener.events if e[1] == "checkpoint"]
