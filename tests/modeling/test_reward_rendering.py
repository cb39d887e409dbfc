"""The reward model reads what the policy writes; one with a template of its own reads its own."""

import pytest
import torch
from chat_models import chat_tokenizer
from transformers import LlamaConfig, LlamaForSequenceClassification

from drpo.data.pairs import Pair, Prompt
from drpo.modeling.chat_template import chat_template
from drpo.modeling.forward_pass import Precision
from drpo.modeling.reward_model import load_reward_model
from drpo.modeling.scorers import Completion, LearnedScorer
from drpo.modeling.tokenization import Vocabulary
from drpo.rl.completions import completion_of

TURNS = [{"role": "user", "content": "What is bread?"}]
ROW = Pair("\n\nHuman: What is bread?\n\nAssistant:", " Food.", " No.", row=1, messages=TURNS)
ON_CPU = Precision(torch.device("cpu"), torch.float32)


def save(folder, tokenizer, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = LlamaForSequenceClassification(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_labels=1,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                initializer_range=0.2,
                drpo_pooling="sum",
                **settings,
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def policy_reader(name="llama3"):
    tokenizer = chat_tokenizer(name)
    return Vocabulary.of(tokenizer, chat=chat_template(tokenizer, "auto"))


def written(reader):
    """An answer as a policy of this reader writes it."""
    (prompt,), (ids,) = reader.prompts([ROW.asked]), reader.answers([ROW.asked], [ROW.chosen])
    return completion_of(reader, ROW, prompt, ids, finished=True)


def by_hand(model, ids, start):
    row = torch.tensor([ids])
    answer = torch.arange(len(ids))[None] >= start
    return model.score(row, torch.ones_like(row), answer).item()


def score(model, reader, answer):
    return LearnedScorer(model, model.reads_like(reader), ON_CPU, 2, 999).score([answer]).item()


@pytest.mark.parametrize("trained", ["chat", None])
def test_one_tokenizer_and_one_template_is_scored_by_the_policy_s_own_ids(trained, tmp_path):
    reader = policy_reader()
    told = {} if trained is None else {"drpo_prompt_format": trained}
    model = load_reward_model(save(tmp_path / "rm", reader.tokenizer, **told), prompt_format="auto")
    assert model.reads_like(reader)
    answer = written(reader)
    expected = by_hand(model, [*answer.prompt_ids, *answer.ids], len(answer.prompt_ids))
    assert score(model, reader, answer) == pytest.approx(expected, abs=1e-5)
    (by_text,) = model.score_texts([ROW.asked], [ROW.chosen])
    assert by_text == pytest.approx(expected, abs=1e-5)


def test_one_with_its_own_tokenizer_and_template_reads_by_those(tmp_path):
    reader, theirs = policy_reader(), chat_tokenizer("gemma")
    model = load_reward_model(save(tmp_path / "rm", theirs), prompt_format="auto")
    assert not model.reads_like(reader)
    ids = theirs.apply_chat_template(
        [*TURNS, {"role": "assistant", "content": "Food."}], return_dict=False
    )
    end = theirs.convert_tokens_to_ids("<end_of_turn>")
    ids = ids[: len(ids) - ids[::-1].index(end)]
    start = len(theirs.apply_chat_template(TURNS, add_generation_prompt=True, return_dict=False))
    assert score(model, reader, written(reader)) == pytest.approx(
        by_hand(model, ids, start), abs=1e-5
    )


@pytest.mark.parametrize(
    "told", [{"drpo_prompt_format": "text"}, {"drpo_reads_end": True}], ids=["said", "earlier"]
)
def test_one_that_was_trained_on_text_reads_text_whatever_the_policy_reads(told, tmp_path):
    reader = policy_reader()
    model = load_reward_model(save(tmp_path / "rm", reader.tokenizer, **told), prompt_format="auto")
    assert not model.reads_like(reader)
    plain = Vocabulary.of(reader.tokenizer, writes=False)
    ((ids, start),) = plain.rows([ROW.prompt], [ROW.chosen])
    assert score(model, reader, written(reader)) == pytest.approx(
        by_hand(model, ids, start), abs=1e-5
    )


def test_one_without_a_template_reads_what_a_policy_with_its_tokenizer_writes(tmp_path):
    reader = policy_reader()
    bare = chat_tokenizer("llama3")
    bare.chat_template = None
    model = load_reward_model(save(tmp_path / "rm", bare), prompt_format="chat")
    assert model.reads_like(reader)
    answer = written(reader)
    expected = by_hand(model, [*answer.prompt_ids, *answer.ids], len(answer.prompt_ids))
    assert score(model, reader, answer) == pytest.approx(expected, abs=1e-5)


def test_a_bare_answer_is_parted_from_its_prompt_where_both_are_one_text():
    plain = Completion((1,), (2,), "Assistant:", "Food.", finished=True)
    assert plain.as_text == "Food."
    assert Completion((1,), (2,), "Assistant:", "Food.", True, bare=True).as_text == " Food."
    assert Completion((1,), (2,), "Why?\n\n", "Food.", True, bare=True).as_text == "Food."


def test_a_reward_model_without_an_end_token_closes_as_its_tokenizer_does():
    from tokenizer_families import fast

    tokenizer = fast("word_pieces", around="[CLS] $A [SEP]", eos_token=None, bos_token=None)
    reader = Vocabulary.of(tokenizer, writes=False)
    ((ids, start),) = reader.rows([Prompt("bread")], [" food"], [False])
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert tokens[start] != "[CLS]"
