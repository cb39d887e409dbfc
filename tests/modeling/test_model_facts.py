"""What a model must be is asked before the start, by the checks and by whoever loads one."""

import json

import pytest
import torch
from conftest import make_byte_tokenizer
from runs import small_config
from toy import tuned_adapter
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    LlamaConfig,
    LlamaModel,
    MptConfig,
    MptForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from drpo.errors import DataError, ModelError
from drpo.modeling.critic import critic_from_policy
from drpo.modeling.model_facts import CONTEXT_KEYS
from drpo.modeling.model_files import read_card
from drpo.modeling.model_loading import context_length, hidden_width, load_causal, load_tokenizer
from drpo.runs import preflight

COMMON = {"vocab_size": 258, "pad_token_id": 0, "eos_token_id": 1}
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def t5():
    shape = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    return T5ForConditionalGeneration(T5Config(**COMMON, **shape))


def bert():
    return BertForMaskedLM(BertConfig(**COMMON, **SHAPE, intermediate_size=32))


def headless():
    return LlamaModel(LlamaConfig(**COMMON, **SHAPE, intermediate_size=32))


def mpt():
    return MptForCausalLM(
        MptConfig(**COMMON, d_model=16, n_heads=2, n_layers=1, max_seq_len=64, no_bias=True)
    )


def narrow_opt():
    shape = SHAPE | {"ffn_dim": 32, "word_embed_proj_dim": 8, "max_position_embeddings": 64}
    return OPTForCausalLM(OPTConfig(**COMMON, **shape, do_layer_norm_before=True))


@pytest.fixture
def folder_of(tmp_path):
    def save(make):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            make().save_pretrained(tmp_path / make.__name__)
        make_byte_tokenizer().save_pretrained(tmp_path / make.__name__)
        return tmp_path / make.__name__

    return save


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (t5, r"is an encoder-decoder \(T5ForConditionalGeneration\).*expected a causal"),
        (bert, r"is BertForMaskedLM, which has no head that writes.*expected a causal"),
        (headless, r"is LlamaModel, which has no head that writes.*Save the model with its head"),
    ],
)
def test_what_cannot_write_answers_is_refused_before_the_start(
    make, said, folder_of, reward_folder, tmp_path
):
    folder = folder_of(make)
    config = small_config(tmp_path, folder, reward_folder)
    with pytest.raises(ModelError, match=f"start policy .*{said}"):
        preflight.check(config)
    with pytest.raises(ModelError, match=said):
        load_causal(folder)


def test_every_reader_of_a_context_length_knows_every_name_of_it(folder_of):
    folder = folder_of(mpt)
    assert read_card(folder).context == context_length(load_causal(folder)) == 64
    config = json.loads((folder / "config.json").read_text())
    for key in CONTEXT_KEYS:
        plain = {name: value for name, value in config.items() if name not in CONTEXT_KEYS}
        (folder / "config.json").write_text(json.dumps(plain | {key: 48}))
        assert read_card(folder).context == 48, key


def test_a_prompt_beyond_the_context_of_mpt_is_refused_before_the_start(
    folder_of, reward_folder, tmp_path
):
    config = small_config(
        tmp_path, folder_of(mpt), reward_folder, response_length=8, max_prompt_length=512
    )
    rows = [
        {"prompt": f"{n}" + "long " * 20, "chosen": " yes", "rejected": " no"} for n in range(4)
    ]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"Every prompt of .* is longer than 56 tokens"):
        preflight.check(config.replace(data=str(tmp_path / "long.jsonl")))


def test_a_critic_is_as_wide_as_what_its_body_gives(folder_of):
    folder = folder_of(narrow_opt)
    assert hidden_width(load_causal(folder)) == 8
    critic = critic_from_policy(folder, torch.float32)
    tokens = torch.tensor([[5, 6, 7]])
    assert critic(tokens, torch.tensor([1, 2])).shape == (2,)


def test_an_adapter_may_be_the_start_policy(model_folder, reward_folder, tmp_path):
    tuned = tuned_adapter(tmp_path / "tuned", model_folder())
    for path in tuned.glob("token*"):
        path.unlink()  # saved without one, it has that of its model
    preflight.check(small_config(tmp_path, tuned, reward_folder))
    base = read_card(model_folder())
    card = read_card(tuned)
    assert card.parameters > base.parameters
    assert (card.context, card.tokenizer_file) == (base.context, base.tokenizer_file)
    assert load_tokenizer(tuned).get_vocab() == load_tokenizer(model_folder()).get_vocab()
    merged = load_causal(tuned).state_dict()
    plain = AutoModelForCausalLM.from_pretrained(model_folder()).state_dict()
    assert any(not torch.equal(merged[name], plain[name]) for name in plain)


def test_an_adapter_that_names_no_model_is_refused_in_a_sentence(
    model_folder, reward_folder, tmp_path
):
    tuned = tuned_adapter(tmp_path / "tuned", model_folder())
    settings = json.loads((tuned / "adapter_config.json").read_text())
    (tuned / "adapter_config.json").write_text(
        json.dumps(settings | {"base_model_name_or_path": None})
    )
    with pytest.raises(ModelError, match=r"expected base_model_name_or_path .*got none"):
        preflight.check(small_config(tmp_path, tuned, reward_folder))
    with pytest.raises(ModelError, match=r"The reward model .* is an adapter; expected a whole"):
        preflight.check(small_config(tmp_path, model_folder(), tuned))
