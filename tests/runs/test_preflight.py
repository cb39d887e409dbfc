"""What cannot work is refused before anything is launched, in a sentence with a remedy."""

import json
import shutil

import pytest
from chat_models import chat_folder
from runs import small_config, write_pairs
from transformers import AutoTokenizer

from drpo.config import presets
from drpo.config.run_config import RunConfig
from drpo.data import load_pairs
from drpo.data.library.versions import save_version
from drpo.errors import ConfigError, DataError, DrpoError, ModelError
from drpo.modeling.model_files import count_tokens, read_card
from drpo.modeling.model_size import Size
from drpo.rl.slots import waiting_slots
from drpo.runs import estimate, memory_estimate, preflight


@pytest.fixture
def configure(tmp_path, model_folder, reward_folder):
    def make(**settings):
        return small_config(tmp_path, model_folder(), reward_folder, **settings)

    return make


@pytest.fixture
def copy_of(tmp_path):
    def make(folder, name="copy"):
        return shutil.copytree(folder, tmp_path / name)

    return make


def test_a_sound_run_passes(configure):
    preflight.check(configure())


def test_the_card_agrees_with_the_model_itself(model_folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = model_folder("gpt2")
    card = read_card(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert card.parameters == sum(weight.numel() for weight in model.parameters())
    assert (card.layers, card.hidden, card.vocabulary, card.context) == (2, 16, 258, 128)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = ["red blue", "日本語", ""]
    assert count_tokens(card, texts) == [len(tokenizer(text)["input_ids"]) for text in texts]


def test_a_template_that_is_not_there_is_named_before_the_start(configure, tmp_path):
    with pytest.raises(ModelError, match=r"prompt_format is 'chat', but .* has no chat template"):
        preflight.check(configure(prompt_format="chat"))
    with pytest.raises(ConfigError, match="chat_template is 'nowhere', expected a file"):
        preflight.check(configure(chat_template="nowhere"))
    (tmp_path / "own.jinja").write_text("{{ messages[0].content }}")
    preflight.check(configure(prompt_format="chat", chat_template=str(tmp_path / "own.jinja")))
    chat = chat_folder("llama3", tmp_path / "chat")
    preflight.check(configure(prompt_format="chat", policy=str(chat), reward_model=None))


def test_a_folder_without_weights_is_named(configure, copy_of, model_folder):
    folder = copy_of(model_folder())
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights; expected model\.safetensors"):
        preflight.check(configure(policy=str(folder)))


def test_pickled_weights_are_refused_by_name(configure, copy_of, model_folder):
    folder = copy_of(model_folder())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is a pickle"):
        preflight.check(configure(policy=str(folder)))


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_weights_that_are_cut_short_are_seen(configure, copy_of, model_folder, keep):
    folder = copy_of(model_folder())
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged or cut short"):
        preflight.check(configure(policy=str(folder)))


def test_a_header_that_lies_about_its_length_costs_no_memory(configure, copy_of, model_folder):
    folder = copy_of(model_folder())
    (folder / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="damaged or cut short"):
        preflight.check(configure(policy=str(folder)))


def test_a_tokenizer_without_eos_is_named(configure, copy_of, model_folder):
    folder = copy_of(model_folder())
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    with pytest.raises(ModelError, match="no EOS token"):
        preflight.check(configure(policy=str(folder)))


def test_a_missing_pad_token_is_no_obstacle(configure, copy_of, model_folder):
    folder = copy_of(model_folder())
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    preflight.check(configure(policy=str(folder)))


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json"])
def test_a_missing_file_of_a_model_is_named(configure, copy_of, model_folder, missing):
    folder = copy_of(model_folder())
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        preflight.check(configure(policy=str(folder)))


def test_policy_and_reward_model_swapped_is_said(configure, model_folder, reward_folder):
    with pytest.raises(ModelError, match="meant as the reward model"):
        preflight.check(configure(policy=str(reward_folder)))
    with pytest.raises(ModelError, match="no classification head"):
        preflight.check(configure(reward_model=str(model_folder())))


def test_a_classifier_with_two_labels_is_no_reward_model(configure, copy_of, reward_folder):
    folder = copy_of(reward_folder)
    settings = json.loads((folder / "config.json").read_text())
    settings["id2label"] = {"0": "bad", "1": "good"}
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="has 2 labels"):
        preflight.check(configure(reward_model=str(folder)))


def test_a_name_that_is_nowhere_is_refused_without_a_network(configure, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="neither a folder here nor a name"):
        preflight.check(configure(policy="someone/something"))
    with pytest.raises(ModelError, match="does not exist"):
        preflight.check(configure(policy="../no such folder"))


def test_a_prompt_over_the_limit_names_its_row_and_the_remedy(configure, tmp_path):
    rows = [json.loads(line) for line in write_pairs(tmp_path / "l.jsonl").read_text().splitlines()]
    rows[4]["prompt"] = "word " * 30
    long = tmp_path / "long.jsonl"
    long.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"row 5: the prompt has 150 tokens, expected at most 40"):
        preflight.check(configure(data=str(long)))
    preflight.check(configure(data=str(long), long_prompts="drop"))


def rows_with(path, first=0, **row):
    """The toy pairs with something else in the third row."""
    rows = [json.loads(line) for line in write_pairs(path, 6, first).read_text().splitlines()]
    rows[2] |= row
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_a_held_out_prompt_over_the_limit_is_seen_before_any_stage(configure, tmp_path):
    long = rows_with(tmp_path / "long.jsonl", first=200, prompt="word " * 30)
    said = r"long\.jsonl, row 3: the prompt has 150 tokens, expected at most 40"
    with pytest.raises(DataError, match=said):
        preflight.check(configure(heldout=long))
    # Held out further down than the evaluation reads, it is in nobody's way.
    preflight.check(configure(heldout=long, eval_prompts=2))
    preflight.check(configure(heldout=long, long_prompts="drop"))


def test_a_demonstration_over_the_limit_is_seen_before_any_stage(configure, tmp_path):
    long = rows_with(tmp_path / "shown.jsonl", first=200, prompt="word " * 30)
    preflight.check(configure(demonstrations=long))
    with pytest.raises(DataError, match=r"shown\.jsonl, row 3: the prompt has 150 tokens"):
        preflight.check(configure(demonstrations=long, reset_source="demonstrations"))


def test_a_run_whose_prompts_are_all_held_out_is_refused(configure):
    with pytest.raises(DataError, match="nothing is left"):
        preflight.check(configure(heldout=configure().data.data))


@pytest.mark.parametrize("wrong", ["data", "heldout"])
def test_facts_that_the_gold_score_does_not_ask_for_are_named(configure, tmp_path, wrong):
    right = {"facts": {"colour": "red"}}
    files = {
        leaf: rows_with(
            tmp_path / f"my_{leaf}.jsonl",
            first,
            **({"facts": {"size": "big"}} if leaf == wrong else right),
        )
        for leaf, first in (("data", 0), ("heldout", 200))
    }
    sidecar = {"kind": "facts", "strict": False, "slots": {"colour": ["red", "blue"]}}
    (tmp_path / "my_data.jsonl.gold.json").write_text(json.dumps(sidecar))
    said = r"facts of 1 of the 12 rows .* \(row 3 first\): expected colour, got size"
    with pytest.raises(DataError, match=said):
        preflight.check(configure(**files))


@pytest.fixture
def short_critic(copy_of, reward_folder):
    """The reward model with 32 positions instead of 128."""
    folder = copy_of(reward_folder, "short")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"max_position_embeddings": 32}))
    return {"reward_model": str(folder), "critic_init": "reward_model"}


def test_a_critic_that_reads_other_tokens_is_refused_before_any_stage(
    configure, copy_of, reward_folder
):
    folder = copy_of(reward_folder, "foreign")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(folder)
    preflight.check(configure(reward_model=str(folder)))
    with pytest.raises(ConfigError, match="a tokenizer of its own"):
        preflight.check(configure(reward_model=str(folder), critic_init="reward_model"))


def test_a_margin_that_demonstrations_do_not_have_is_refused_before_any_stage(configure, tmp_path):
    asked = {
        "demonstrations": str(write_pairs(tmp_path / "shown.jsonl", 20)),
        "reset_source": "demonstrations",
    }
    preflight.check(configure(**asked, reset_filter="score"))
    for pairwise in ("margin", "label"):
        with pytest.raises(ConfigError, match="demonstrations have one answer"):
            preflight.check(configure(**asked, reset_filter=pairwise))


def test_prompts_that_the_critic_has_no_positions_for_are_refused(
    configure, tmp_path, short_critic
):
    preflight.check(configure(**short_critic))  # 24 tokens are left beside an answer of 8
    long = rows_with(tmp_path / "long.jsonl", prompt="x" * 25)
    said = r"row 3: the prompt has 25 tokens, but critic_init .* of 32 tokens leaves 24 beside"
    for settings in ({}, {"long_prompts": "drop"}):
        with pytest.raises(DataError, match=said):
            preflight.check(configure(data=long, **short_critic, **settings))
    preflight.check(configure(data=long, **(short_critic | {"critic_init": "policy"})))
    limited = {"long_prompts": "drop", "max_prompt_length": 24}
    preflight.check(configure(data=long, **short_critic, **limited))
    with pytest.raises(DataError, match="leaves 0 beside"):
        preflight.check(configure(response_length=40, **short_critic))


def test_a_critic_from_a_reward_model_that_nobody_trains_is_refused(configure, tmp_path):
    data = tmp_path / "gold.jsonl"
    lines = write_pairs(data, 6).read_text().splitlines()
    rows = [json.loads(line) | {"facts": {"colour": "red"}} for line in lines]
    data.write_text("\n".join(map(json.dumps, rows)))
    sidecar = {"kind": "facts", "strict": False, "slots": {"colour": ["red", "blue"]}}
    (tmp_path / "gold.jsonl.gold.json").write_text(json.dumps(sidecar))
    gold = {"data": str(data), "reward_source": "gold", "reward_model": None}
    preflight.check(configure(**gold))
    with pytest.raises(ConfigError, match="name a reward model, or set critic_init to 'policy'"):
        preflight.check(configure(**gold, critic_init="reward_model"))
    preflight.check(configure(**gold, critic_init="reward_model", method="rm"))


def test_an_answer_longer_than_the_context_is_refused(configure):
    with pytest.raises(ConfigError, match="context is 128"):
        preflight.check(configure(response_length=128))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\x00", b"[1, 2", b'{"prompt": "x"}\n', b'{"chosen": "a", "rejected": 1}\n'],
)
def test_unusable_data_is_one_sentence(configure, tmp_path, content):
    file = tmp_path / "bad.jsonl"
    file.write_bytes(content)
    with pytest.raises(DrpoError) as said:
        preflight.check(configure(data=str(file)))
    assert "bad.jsonl" in str(said.value)


def test_one_prompt_cannot_be_split(configure, tmp_path):
    rows = [{"prompt": "same:", "chosen": f" {i}", "rejected": " no"} for i in range(5)]
    file = tmp_path / "one.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="single prompt"):
        preflight.check(configure(data=str(file), heldout=None))


def test_gold_reward_needs_a_gold_score(configure):
    with pytest.raises(DataError, match="carries no gold score"):
        preflight.check(configure(reward_source="gold"))


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cuda:9"])
def test_a_device_that_is_not_there_is_refused(configure, monkeypatch, device):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match="device is"):
        preflight.check(configure(device=device))


def test_the_estimate_grows_with_what_costs(configure):
    base = estimate.estimate_run(configure())
    for costly in ({"updates": 40}, {"episodes_per_update": 64}, {"num_ppo_epochs": 20}):
        assert estimate.estimate_run(configure(**costly)).seconds > base.seconds, costly
    for costly in ({"micro_batch_size": 64, "episodes_per_update": 64}, {"response_length": 80}):
        assert estimate.estimate_run(configure(**costly)).memory_bytes > base.memory_bytes, costly


def test_answers_that_are_not_written_at_once_take_the_time_of_their_tokens(configure):
    size = Size(1000, 2, 16, 258, 128, local=True)  # its arithmetic takes no time
    config = configure(rollout_batch_size=32, response_length=200)
    fewer, once, twice, often = (
        estimate._decode_seconds(config, size, 10, rows, on_gpu=True) for rows in (16, 32, 64, 320)
    )
    assert fewer == pytest.approx(once, rel=0.01)
    assert once < twice < 2 * once, "no wait for the longest of the first ones"
    assert often - twice == pytest.approx(8 * (twice - once), rel=0.01)


@pytest.mark.parametrize(("rows", "at_once"), [(64, 128), (64, 64), (80, 64), (512, 64), (9, 1)])
def test_the_memory_estimate_knows_how_many_rows_wait(configure, rows, at_once):
    size = Size(10**6, 2, 16, 258, 128, local=True)
    config = configure(
        episodes_per_update=rows, eval_prompts=1, rollout_batch_size=at_once, response_length=40
    )
    drawing = memory_estimate._drawing(config, size, rows, 10)
    at_once = min(at_once, rows)
    slots = at_once + waiting_slots(at_once, rows)
    of_slot, of_row = (10 + 40) * size.layers * size.cached * 4, max(258 * 32, 10 * 16 * 24)
    assert drawing == pytest.approx(slots * of_slot + at_once * of_row, abs=of_slot)


# Seen on one H200, docs/benchmarks.md: writing as a graph, learning in full micro-batches.
@pytest.mark.parametrize(
    ("size", "prompt", "measured"),
    [
        (Size(502_852_480, 24, 896, 151_936, 2048, local=True), 253, 2.5),
        (Size(1_247_086_592, 16, 2048, 128_256, 2048, local=True), 263, 2.9),
    ],
)
def test_an_update_on_a_gpu_takes_about_as_long_as_it_was_seen_to(
    configure, size, prompt, measured
):
    settings = {"episodes_per_update": 64, "micro_batch_size": 32, "response_length": 53}
    config = configure(**settings, num_ppo_epochs=1, lora_rank=16, dtype="bfloat16")
    seconds = estimate._update_seconds(config, size, size, prompt, on_gpu=True)
    assert measured / 1.5 < seconds < measured * 1.5


def test_the_estimate_prefers_what_was_measured(configure, store):

    config = configure()
    run = store.runs.create(config)
    store.runs.change(run.id, status="finished", step=4, summary={"seconds_per_update": 7.0})
    doubled = configure(episodes_per_update=16)
    assert estimate.estimate_run(config, store).seconds_per_update == 7.0
    assert estimate.estimate_run(doubled, store).seconds_per_update == 14.0
    assert estimate.estimate_run(config, store).source == "measured"


def test_the_plan_names_the_stages(configure):
    full = configure(reward_model=None, sft_epochs=1.0)
    assert estimate.stages(full) == ["sft", "reward model", "drpo", "evaluation"]
    assert estimate.stages(configure(method="rm", reward_model=None))[0] == "reward model"


PAPERS = [name for name in presets.names() if "policy" in presets.settings(name)]


@pytest.mark.parametrize("name", PAPERS)
def test_presets_are_the_papers_figures(name):
    config = RunConfig.of(**presets.settings(name))
    assert (config.kl.kl_coef, config.critic.critic_lam, config.ppo.lam) == (0.05, 0.95, 0.95)
    assert (config.models.lora_rank, config.models.lora_alpha) == (1024, 2048)
    assert (config.ppo.episodes_per_update, config.ppo.num_ppo_epochs) == (512, 4)
    assert (config.ppo.learning_rate, config.ppo.adam_eps) == (3e-6, 1e-5)
    assert config.reset.reset_min_prefix == 0
    code = RunConfig.of(**presets.settings(name, "code"))
    assert code.reset.reset_min_prefix == 1


def test_a_preset_runs_on_a_tiny_model_with_a_slice_of_such_data(configure, tmp_path):
    """The same settings but for model, data and size pass the same checks."""
    small = {
        name: value
        for name, value in presets.settings("tldr-pythia-2.8b").items()
        if name
        not in (
            "data",
            "demonstrations",
            "policy",
            "updates",
            "episodes_per_update",
            "max_prompt_length",
            "response_length",
            "name",
        )
    }
    demonstrations = tmp_path / "demonstrations.jsonl"
    rows = [{"prompt": f"{i} red:", "response": " red"} for i in range(8)]
    demonstrations.write_text("\n".join(map(json.dumps, rows)))
    preflight.check(configure(**small, demonstrations=str(demonstrations), response_length=53))


def test_an_alarm_that_does_not_exist_is_refused_before_the_launch(tmp_path):
    config = RunConfig.of(
        data=str(tmp_path / "p.jsonl"), policy=str(tmp_path), alarm_pause=("thunder",)
    )
    with pytest.raises(ConfigError, match="thunder"):
        preflight.check(config)


def test_a_name_too_long_for_a_path_is_a_sentence_wherever_it_stands(configure):
    long = "a" * 300
    assert estimate.estimate_run(configure(data=long)).seconds > 0
    for field in ("data", "policy", "reward_model"):
        with pytest.raises(DrpoError, match="a" * 100):
            preflight.check(configure(**{field: long}))
    with pytest.raises(ModelError, match="a" * 100):
        estimate.estimate_run(configure(policy=long))


def test_a_run_that_would_fill_its_dashboards_memory_is_refused_as_a_thread(configure, monkeypatch):
    config = configure(executor="thread")
    preflight.check(config)
    monkeypatch.setattr(preflight, "free_memory", lambda: 2**20)
    with pytest.raises(ConfigError, match="executor is 'thread', and the run would take about"):
        preflight.check(config)
    preflight.check(configure())


def test_a_saved_set_is_estimated_as_the_file_that_it_came_from(configure, store):
    config = configure(reward_model=None, rm_epochs=3.0)
    save_version(store, load_pairs(config.data.data).pairs, "words")
    of_file = estimate.estimate_run(config)
    for name in ("words", "words:1"):
        saved = estimate.estimate_run(config.replace(data=name))
        assert saved.seconds == of_file.seconds
        assert saved.memory_by_stage == of_file.memory_by_stage
    # What is not here is taken for a data set of the papers' size.
    elsewhere = estimate.estimate_run(config.replace(data="somebody/pairs"))
    assert elsewhere.seconds > 3 * of_file.seconds
