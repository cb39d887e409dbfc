"""A pilot keeps its state, queues whole pairs, and claims no more than its seeds show."""

import pytest
from executive_material import add_run
from runs import small_config

from drpo.data import load_pairs
from drpo.data.library.versions import save_version
from drpo.errors import ConfigError, DataError, RunError
from drpo.pilot import design
from drpo.pilot.result import read, scale_cost

SETTINGS = {"data": "pairs.jsonl", "policy": "start", "reward_model": "reward", "updates": 10}


def finished(store, one, arm, seed, gains, **more):
    """A finished run of a pilot, as a worker leaves it."""
    prob = one.reset_prob if arm == "resets" else 0.0
    gold = {} if more.pop("learned_only", False) else {"gold": gains}
    return add_run(
        store,
        f"{arm} {seed}",
        **gold,
        scores=gains,
        story=one.story,
        seed=seed,
        reset_prob=prob,
        **more,
    )


def filled(store, gaps=(1.0, 1.2, 0.8), **more):
    """A pilot whose arms differ by these gaps, seed by seed, over noise they share."""
    one = design.create(store, "ours", SETTINGS)
    for seed, gap in enumerate(gaps):
        finished(store, one, "resets", seed, [seed + gap], **more)
        finished(store, one, "plain", seed, [float(seed)], **more)
    return one


def test_a_pilot_is_found_again_as_it_was_left(store):
    one = design.create(store, "  ours ", SETTINGS)
    changed = design.plan(store, one, seeds=(0, 1), reset_prob=0.25)
    assert design.load(store, one.id) == changed
    assert [known.id for known in design.every(store)] == [one.id]
    assert changed.name == "ours"


def test_a_pilot_stored_before_conversations_were_rendered_reads_text(store):
    made = design.create(store, "ours", SETTINGS)
    assert made.config("resets", 0).data.prompt_format == "auto"
    assert design.load(store, made.id).config("plain", 0).data.prompt_format == "auto"
    body = dict(store.documents.get(design.KIND, made.id))
    body["settings"] = SETTINGS
    store.documents.put(design.KIND, made.id, body)
    assert design.load(store, made.id).config("plain", 0).data.prompt_format == "text"


def test_an_unknown_pilot_is_a_sentence(store):
    with pytest.raises(RunError, match="No pilot 'x'"):
        design.load(store, "x")


def test_a_setting_out_of_range_is_refused_before_anything_is_kept(store):
    with pytest.raises(ConfigError, match="kl_coef"):
        design.create(store, "ours", {**SETTINGS, "kl_coef": -1})
    assert design.every(store) == []


def test_the_arms_differ_in_resets_alone(store):
    one = design.create(store, "ours", SETTINGS)
    mine, theirs = (one.config(arm, 2).flat() for arm in design.ARMS)
    assert {leaf for leaf in mine if mine[leaf] != theirs[leaf]} == {"name", "reset_prob"}
    assert (mine["reset_prob"], theirs["reset_prob"], mine["seed"]) == (0.5, 0.0, 2)


def test_the_plain_arm_has_no_resets_later_either(store):
    rising = {**SETTINGS, "reset_schedule": "linear", "reset_prob_final": 0.25}
    one = design.create(store, "ours", rising)
    mine, theirs = (one.config(arm, 0).reset for arm in design.ARMS)
    assert (mine.reset_schedule, mine.reset_prob_final) == ("linear", 0.25)
    assert (theirs.reset_schedule, theirs.reset_prob) == ("constant", 0.0)


def test_launch_queues_both_arms_of_every_seed_once(store, tmp_path, model_folder, reward_folder):
    config = small_config(tmp_path, model_folder("llama"), reward_folder)
    settings = {k: v for k, v in config.flat().items() if k not in ("name", "seed", "reset_prob")}
    one = design.create(store, "ours", settings)
    queued = design.launch(store, one)
    assert len(queued) == 6
    assert {run.story for run in queued} == {f"pilot:{one.id}"}
    assert design.launch(store, one) == []
    assert [(m.seed, m.arm) for m in design.members(store, one)] == [
        (seed, arm) for seed in (0, 1, 2) for arm in design.ARMS
    ]
    store.runs.change(queued[0].id, status="interrupted")
    assert [run.id for run in design.launch(store, one)] == [queued[0].id]
    with pytest.raises(RunError, match="its plan stands"):
        design.plan(store, one, seeds=(0,))
    design.stop(store, one)
    assert {m.run.status for m in design.members(store, one)} == {"stopped"}


def test_all_runs_of_a_pilot_learn_from_the_same_version(
    store, tmp_path, model_folder, reward_folder
):
    config = small_config(tmp_path, model_folder("llama"), reward_folder)
    pairs = load_pairs(config.data.data).pairs
    save_version(store, pairs, "mine")
    settings = {k: v for k, v in config.flat().items() if k not in ("name", "seed", "reset_prob")}
    one = design.create(store, "ours", {**settings, "data": "mine"})
    save_version(store, pairs[2:], "mine")  # mended before the launch: this one counts
    first, *_ = design.launch(store, one)
    save_version(store, pairs[4:], "mine")
    store.runs.remove(first.id)
    (again,) = design.launch(store, one)
    assert (again.config["run"]["seed"], again.config["data"]["data"]) == (0, "mine:2")
    data = {member.run.config["data"]["data"] for member in design.members(store, one)}
    assert data == {"mine:2"}
    assert design.load(store, one.id).settings["data"] == "mine:2"


def test_bad_data_queues_nothing(store, tmp_path, model_folder, reward_folder):
    config = small_config(tmp_path, model_folder("llama"), reward_folder)
    settings = {k: v for k, v in config.flat().items() if k not in ("name", "seed", "reset_prob")}
    one = design.create(store, "ours", {**settings, "data": str(tmp_path / "missing.jsonl")})
    with pytest.raises(DataError, match="missing"):
        design.launch(store, one)
    assert store.runs.all() == []


def test_the_effect_is_the_paired_difference_with_its_t_interval(store):
    result = read(store, filled(store))
    effect = result.effect.t
    assert result.judge == "gold"
    assert result.seeds == (0, 1, 2)
    assert effect.value == pytest.approx(1.0)
    # Gaps 1, 1.2, .8: standard error .2 / sqrt(3), t(2) = 4.3027.
    assert effect.high - effect.value == pytest.approx(4.3027 * 0.2 / 3**0.5, abs=1e-3)
    assert result.call == "better"


def test_seeds_that_disagree_decide_nothing(store):
    assert read(store, filled(store, gaps=(1.0, -0.5, 0.4))).call == "open"


def test_one_seed_has_an_effect_without_an_interval(store):
    result = read(store, filled(store, gaps=(1.0,)))
    assert result.effect.t.value == pytest.approx(1.0)
    assert result.effect.t.low is None
    assert result.call == "open"


def test_only_pairs_that_finished_count(store):
    one = filled(store)
    finished(store, one, "resets", 7, [9.0])
    extra = design.Pilot(**{**vars_of(one), "seeds": (0, 1, 2, 7)})
    broken = finished(store, extra, "plain", 7, [9.0], status="failed")
    assert read(store, extra).seeds == (0, 1, 2)
    store.runs.change(broken.id, status="finished")
    assert read(store, extra).seeds == (0, 1, 2, 7)


def vars_of(one):
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def test_nothing_finished_is_no_verdict(store):
    result = read(store, design.create(store, "ours", SETTINGS))
    assert result.seeds == ()
    assert result.judge is None
    assert result.effect.t.value is None


def test_head_to_head_pools_the_seeds_by_prompt(store):
    result = read(store, filled(store))
    assert result.head_to_head.wins == result.head_to_head.rate.n == 120
    assert result.head_to_head.rate.clusters == 40


def test_without_gold_the_reward_model_judges_both_arms(store):
    result = read(store, filled(store, learned_only=True))
    assert result.judge == "reward_model"
    assert result.effect.t.value == pytest.approx(1.0)


def test_a_decision_is_kept_with_its_reasons(store):
    one = filled(store)
    design.decide(store, one, "scale_resets", who="Ada", note="clear", scale={"updates": 100})
    kept = design.load(store, one.id).decision
    assert (kept.choice, kept.who, kept.note, kept.scale) == (
        "scale_resets",
        "Ada",
        "clear",
        {"updates": 100},
    )
    with pytest.raises(RunError, match="decision is one of"):
        design.decide(store, one, "perhaps")


def test_scaling_costs_in_proportion_to_episodes_size_and_length(store):
    arm = read(store, filled(store)).resets  # 60 s for 640 episodes, each seed
    cost = scale_cost(arm, updates=100, episodes_per_update=64, seeds=3, model_times=2)
    assert cost.episodes == 19_200
    assert cost.seconds == pytest.approx(60 / 640 * 19_200 * 2)
    assert cost.low == cost.high == cost.seconds


def test_scaling_spans_the_slowest_and_fastest_run(store):
    one = design.create(store, "ours", SETTINGS)
    for seed, seconds in enumerate((32.0, 64.0, 128.0)):
        finished(store, one, "resets", seed, [1.0], seconds=seconds)
        finished(store, one, "plain", seed, [0.0])
    cost = scale_cost(read(store, one).resets, updates=10, episodes_per_update=64)
    assert (cost.low, cost.seconds, cost.high) == (32.0, 64.0, 128.0)


def test_no_finished_run_gives_no_estimate(store):
    result = read(store, design.create(store, "ours", SETTINGS))
    assert scale_cost(result.resets, updates=10, episodes_per_update=64) is None


def test_progress_counts_updates_of_all_runs(store):
    one = design.create(store, "ours", SETTINGS)
    assert design.progress(design.members(store, one)) == (0, 0)
    finished(store, one, "resets", 0, [1.0])
    assert design.progress(design.members(store, one)) == (10, 60)
