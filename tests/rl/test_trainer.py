"""The loop as a whole: what it tells, what it obeys, and when it stops by itself."""

import math
from dataclasses import replace

import pytest
import torch
from toy import RecordingObserver, toy_config, toy_pairs

from drpo.data.gold_reward import GoldScorer
from drpo.data.pairs import Pair
from drpo.errors import ConfigError, DataError, TrainingDivergedError
from drpo.modeling.models import load_models
from drpo.rl import checkpoint, checkpoint_folders, trainer
from drpo.rl.trainer import train
from drpo.types import Control

GOLD = GoldScorer({"colour": ("red", "blue", "green", "black")}, strict=False)
UPDATE_METRICS = {
    "objective/kl",
    "objective/entropy",
    "objective/non_score_reward",
    "objective/rlhf_reward",
    "objective/scores",
    "objective/kl_coef",
    "policy/approxkl_avg",
    "policy/clipfrac_avg",
    "policy/entropy_avg",
    "loss/policy_avg",
    "loss/value_avg",
    "val/clipfrac_avg",
    "val/ratio",
    "val/ratio_var",
    "val/num_eos_tokens",
    "val/explained_variance",
    "completions/mean_length",
    "completions/clipped_ratio",
    "reset/fraction",
    "reset/prefix_len_mean",
    "reset/prob",
    "objective/scores_reset",
    "objective/scores_prompt",
    "objective/kl_reset",
    "objective/kl_prompt",
    "objective/gold",
    "lr",
    "eps",
    "episode",
    "timing_s/update",
    "timing/padding",
}
EVAL_METRICS = {
    f"eval/{name}{tail}"
    for name in ("scores", "gold", "kl", "mean_length", "finished", "repetition", "entropy")
    for tail in ("", "_se")
} | {"eval/distinct_1", "eval/distinct_2", "eval/identical"}


@pytest.fixture
def begin(model_folder, reward_folder, tmp_path):
    """Return a function that carries a toy run out and gives (state, listener, models)."""

    def run(listener=None, *, pairs=None, shown=(), **settings):
        listener = listener or RecordingObserver()
        config = toy_config(model_folder(), reward_folder, **settings)
        models = load_models(config, gold=GOLD)
        state = train(
            models,
            pairs or toy_pairs(20),
            toy_pairs(6, 100),
            config,
            listener,
            checkpoint_dir=tmp_path / "checkpoints",
            demonstrations=shown,
        )
        return state, listener, models

    return run


def test_a_run_tells_metrics_under_the_names_people_know(begin):
    state, listener, _ = begin()
    assert (state.step, state.episodes) == (4, 32)
    assert sorted(listener.metrics_at) == [0, 1, 2, 3, 4]
    for step in (1, 2, 3, 4):
        assert set(listener.metrics_at[step]) >= UPDATE_METRICS
    for step in (0, 2, 4):
        assert set(listener.metrics_at[step]) >= EVAL_METRICS
    assert listener.metrics_at[4]["episode"] == 32
    assert listener.metrics_at[0]["eval/kl"] == 0.0
    assert listener.metrics_at[4]["eval/kl"] > 0.0


def test_the_split_by_start_adds_up_to_the_whole(begin):
    _, listener, _ = begin()
    for step in (1, 2, 3, 4):
        metrics = listener.metrics_at[step]
        share = metrics["reset/fraction"]
        for name in ("scores", "kl"):
            parts = (metrics[f"objective/{name}_reset"], metrics[f"objective/{name}_prompt"])
            whole = share * parts[0] + (1 - share) * parts[1]
            assert whole == pytest.approx(metrics[f"objective/{name}"], abs=1e-5)


def test_every_episode_says_where_it_began(begin):
    _, listener, _ = begin()
    episodes = [s for s in listener.kept_samples if s.kind == "episode"]
    assert len(episodes) == 32
    assert {s.step for s in episodes} == {1, 2, 3, 4}
    for sample in episodes:
        assert sample.offline.startswith(sample.prefix)
        assert len(sample.prefix.encode()) == sample.prefix_tokens
        assert "".join(sample.prefix_pieces) == sample.prefix
        assert sample.prefix_tokens < max(sample.offline_tokens, 1)
        assert sample.prefix_tokens + sample.response_tokens <= 8
        assert len(sample.weights) == 12
        if sample.start == "reset":
            assert sample.offline_score is not None
            assert sample.offline_gold == 1.0
            assert sample.offline in {f" {w}" for w in ("red", "blue", "green", "black")}
        else:
            assert (sample.prefix, sample.prefix_tokens) == ("", 0)
    assert {s.start for s in episodes} == {"prompt", "reset"}


def test_episodes_of_a_policy_too_large_to_keep_still_name_its_weights(begin, monkeypatch):
    monkeypatch.setattr(checkpoint, "SNAPSHOT_LIMIT", 100)
    _, listener, _ = begin()
    named = {s.step: s.weights for s in listener.kept_samples if s.kind == "episode"}
    before = {s.step: s.weights for s in listener.kept_samples if s.kind == "heldout"}
    assert len(set(named.values())) == len(named) == 4
    # What update n + 1 acted with is what stood after update n.
    assert (named[1], named[3]) == (before[0], before[2])


def test_held_out_answers_are_kept_with_the_weights_that_wrote_them(begin):
    _, listener, models = begin()
    heldout = [s for s in listener.kept_samples if s.kind == "heldout"]
    assert [s.step for s in heldout] == [0, 0, 2, 2, 4, 4]
    assert all(s.offline.startswith(" ") and s.offline_gold == 1.0 for s in heldout)
    assert len({s.weights for s in heldout}) == 3
    assert heldout[-1].weights == models.weights_hash()


def test_a_reward_that_can_be_raised_rises(begin, monkeypatch):
    """The sign of everything at once: more of what is rewarded, well beyond chance."""

    class LowBytes:
        def score(self, answers):
            return torch.tensor([sum(i < 130 for i in a.ids) / len(a.ids) for a in answers])

    monkeypatch.setattr("drpo.modeling.models.load_scorer", lambda *_: LowBytes())
    _, listener, _ = begin(
        updates=20,
        learning_rate=2e-2,
        episodes_per_update=16,
        kl_coef=0.0,
        reset_prob=0.0,
        missing_eos_penalty=None,
        eval_every=20,
        lr_schedule="constant",
        checkpoint_every=10,
    )
    begun, ended = (listener.metrics_at[step]["objective/scores"] for step in (1, 20))
    # 128 tokens a side, so one standard error of the difference is below .07.
    assert ended - begun > 0.3


def test_a_changed_setting_takes_effect_at_the_next_update_and_is_an_event(begin):
    change = Control(settings={"kl_coef": 0.9, "reset_prob": 0.0})
    _, listener, _ = begin(RecordingObserver(controls={2: change}))
    metrics = [listener.metrics_at[step]["objective/kl_coef"] for step in (1, 2, 3, 4)]
    assert metrics == [0.1, 0.1, 0.9, 0.9]
    assert [listener.metrics_at[step]["reset/prob"] for step in (2, 3)] == [0.5, 0.0]
    assert listener.metrics_at[3]["reset/fraction"] == 0.0
    changes = [(step, payload) for step, kind, payload in listener.events if kind == "setting"]
    assert changes == [
        (2, {"name": "kl_coef", "old": 0.1, "new": 0.9, "live": True}),
        (2, {"name": "reset_prob", "old": 0.5, "new": 0.0, "live": True}),
    ]


def test_a_setting_out_of_range_is_refused_as_at_launch(begin):
    with pytest.raises(ConfigError, match="reset_prob"):
        begin(RecordingObserver(controls={1: Control(settings={"reset_prob": 1.5})}))


def test_stop_saves_and_returns(begin, tmp_path):
    state, listener, _ = begin(RecordingObserver(controls={3: Control(stop=True)}))
    assert state.step == 3
    assert checkpoint_folders.latest(tmp_path / "checkpoints").name == "step-000003"
    assert sorted(listener.metrics_at) == [0, 1, 2, 3]


def test_pause_saves_waits_and_goes_on(begin, monkeypatch):
    class Patient(RecordingObserver):
        asked = 0

        def control(self, step):
            if step != 1:
                return Control()
            self.asked += 1
            change = {"kl_coef": 0.4} if self.asked == 3 else {}
            return Control(pause=self.asked < 4, settings=change)

    monkeypatch.setattr(trainer, "_POLL_SECONDS", 0.0)
    listener = Patient()
    state, _, _ = begin(listener)
    assert state.step == 4
    assert listener.asked == 4
    assert listener.stages.count("paused") == 3
    assert (1, "checkpoint") in [(step, kind) for step, kind, _ in listener.events]
    assert listener.metrics_at[2]["objective/kl_coef"] == 0.4


def test_a_loss_that_is_not_finite_stops_with_the_last_checkpoint_kept(
    begin, monkeypatch, tmp_path
):
    class Broken:
        def __init__(self):
            self.calls = 0

        def score(self, answers):
            self.calls += 1
            bad = math.nan if self.calls > 6 else 0.5
            return torch.full((len(answers),), bad)

    monkeypatch.setattr("drpo.modeling.models.load_scorer", lambda *_: Broken())
    with pytest.raises(TrainingDivergedError, match="scores became NaN"):
        begin(updates=10, checkpoint_every=1, missing_eos_penalty=None)
    kept = checkpoint_folders.latest(tmp_path / "checkpoints")
    assert kept is not None
    weights = torch.cat(
        [w.flatten() for w in checkpoint.load_causal(kept / "policy").state_dict().values()]
    )
    assert torch.isfinite(weights).all()


def test_resets_may_start_in_demonstrations(begin):
    texts = ["one two", "three four"]
    shown = [Pair(f"show {i}:", f" {text}", "", row=i + 1) for i, text in enumerate(texts)]
    _, listener, _ = begin(
        shown=shown,
        demonstrations="shown.jsonl",
        reset_source="demonstrations",
        reset_prob=1.0,
        updates=2,
    )
    episodes = [s for s in listener.kept_samples if s.kind == "episode"]
    assert {s.prompt for s in episodes} == {"show 0:", "show 1:"}
    assert {s.offline for s in episodes} == {" one two", " three f"}  # cut at 8 tokens
    assert listener.metrics_at[1]["reset/candidates"] == 2


def test_resets_may_start_in_either_answer(begin):
    _, listener, _ = begin(reset_source="both", reset_prob=1.0)
    episodes = [s for s in listener.kept_samples if s.kind == "episode"]
    golds = {s.offline_gold for s in episodes}
    assert golds == {0.0, 1.0}
    assert listener.metrics_at[1]["reset/candidates"] == 40


def test_resets_may_roll_in_with_the_start_policy(begin):
    _, listener, _ = begin(reset_source="rollin", reset_prob=1.0, reset_min_prefix=1)
    episodes = [s for s in listener.kept_samples if s.kind == "episode"]
    rolled = [s for s in episodes if s.start == "reset"]
    assert len(rolled) >= 30  # an answer of one token cannot be reset into
    assert all(1 <= s.prefix_tokens < s.offline_tokens for s in rolled)
    assert all(s.item < 20 and s.offline_score is None for s in rolled)
    known = {f" {w}" for w in ("red", "blue", "green", "black")}
    assert not {s.offline for s in rolled} & known


@pytest.mark.parametrize("kind", ["margin", "score", "coverage"])
def test_a_filter_keeps_its_share_of_the_answers(kind, begin):
    _, listener, _ = begin(
        reset_filter=kind, reset_filter_keep=0.3, reset_prob=1.0, updates=2, eval_every=2
    )
    assert listener.metrics_at[1]["reset/candidates"] == 6
    assert listener.metrics_at[1]["reset/fraction"] == 1.0
    begun = {(s.prompt, s.offline) for s in listener.kept_samples if s.kind == "episode"}
    assert len(begun) <= 6
    assert "reset filter" in listener.stages


def test_the_label_filter_resets_only_into_answers_whose_label_is_believed(begin):
    pairs = toy_pairs(80)
    wrong = {pair.prompt for pair in pairs[::9]}
    mixed = [
        replace(pair, chosen=pair.rejected, rejected=pair.chosen) if pair.prompt in wrong else pair
        for pair in pairs
    ]
    _, listener, _ = begin(
        pairs=mixed, reset_filter="label", reset_filter_keep=1.0, reset_prob=1.0, updates=2
    )
    assert listener.metrics_at[1]["reset/candidates"] == len(pairs) - len(wrong)
    begun = {s.prompt for s in listener.kept_samples if s.kind == "episode" and s.start == "reset"}
    assert begun
    assert not begun & wrong


def test_answers_too_short_to_reset_into_are_said_at_once(begin):
    empty = [Pair(f"{i}:", "", " x", row=i + 1) for i in range(4)]
    with pytest.raises(DataError, match="nothing to reset into"):
        begin(pairs=empty)
    state, _, _ = begin(pairs=empty, reset_prob=0.0, updates=1)
    assert state.step == 1


def test_a_row_whose_answer_is_too_short_starts_at_its_own_prompt(begin):
    """Not in the answer of another row, which is for rows that have none of their own."""
    pairs = [Pair("short:", "", " x", row=1), *toy_pairs(3)]
    _, listener, _ = begin(pairs=pairs, reset_prob=1.0, updates=2)
    starts = {(s.prompt, s.start) for s in listener.kept_samples if s.kind == "episode"}
    assert ("short:", "prompt") in starts
    assert {start for prompt, start in starts if prompt != "short:"} == {"reset"}


def test_held_out_answers_to_compare_with_are_whole(begin):
    """Those that are reset into end where episodes must."""
    _, listener, _ = begin(response_length=3, updates=1)
    heldout = [s for s in listener.kept_samples if s.kind == "heldout"]
    assert {s.offline for s in heldout} <= {" red", " blue", " green", " black"}
    assert {s.offline_gold for s in heldout} == {1.0}


def test_ppo_is_drpo_without_resets(begin):
    _, listener, _ = begin(method="ppo", reset_prob=0.8, updates=2)
    assert listener.metrics_at[2]["reset/fraction"] == 0.0
    assert all(s.start == "prompt" for s in listener.kept_samples)


def test_evaluation_does_not_disturb_training(begin):
    _, _, often = begin(eval_every=1)
    _, _, rarely = begin(eval_every=4)
    assert often.weights_hash() == rarely.weights_hash()


def test_micro_batches_change_memory_not_the_run(begin):
    _, small, _ = begin(micro_batch_size=2, rollout_batch_size=3)
    _, large, _ = begin(micro_batch_size=8)
    for name in ("objective/scores", "objective/kl", "loss/policy_avg", "eval/kl"):
        assert small.metrics_at[4][name] == pytest.approx(large.metrics_at[4][name], abs=2e-4), name


def test_global_random_state_is_neither_read_nor_moved(begin):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    _, _, first = begin(updates=2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(456)
    _, _, second = begin(updates=2)
    assert first.weights_hash() == second.weights_hash()
