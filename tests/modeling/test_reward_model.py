import json
import math
import shutil

import pytest
import torch
import transformers
from conftest import tiny_model
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerFast,
)

from drpo.errors import ModelError, ShapeError
from drpo.modeling.forward_pass import Precision
from drpo.modeling.model_loading import context_length
from drpo.modeling.reward_model import RewardModel, load_reward_model
from drpo.modeling.scorers import Completion, LearnedScorer
from drpo.modeling.tokenization import Vocabulary
from drpo.modeling.tokenizer_identity import same_tokenizer

KINDS = ["gpt2", "llama", "gpt_neox"]
TEXTS = [[5, 9, 200, 31, 7, 1], [40, 41, 1], [99, 100, 101, 102, 103, 104, 105, 1]]
STARTS = [2, 1, 5]


def classifier(folder, **settings):
    """A classifier with a random head made from the folder of a language model."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=1, **settings
        ).eval()


def padded(side):
    width = max(map(len, TEXTS)) + 2
    ids = torch.zeros(len(TEXTS), width, dtype=torch.long)
    attended, response = torch.zeros_like(ids).bool(), torch.zeros_like(ids).bool()
    for row, (text, start) in enumerate(zip(TEXTS, STARTS, strict=True)):
        first = width - len(text) if side == "left" else 0
        ids[row, first : first + len(text)] = torch.tensor(text)
        attended[row, first : first + len(text)] = True
        response[row, first + start : first + len(text)] = True
    return ids, attended, response


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["last", "sum", "min"])
def test_padding_on_either_side_gives_the_score_of_the_text_alone(model_folder, kind, pooling):
    reward = RewardModel(classifier(model_folder(kind)), None, pooling)
    with torch.no_grad():
        alone = [
            reward.score(
                torch.tensor([text]),
                torch.ones(1, len(text)).bool(),
                torch.arange(len(text))[None] >= start,
            ).item()
            for text, start in zip(TEXTS, STARTS, strict=True)
        ]
        right, left = reward.score(*padded("right")), reward.score(*padded("left"))
    assert right.tolist() == pytest.approx(alone, abs=1e-5)
    assert left.tolist() == pytest.approx(alone, abs=1e-5)
    assert len({round(score, 3) for score in alone}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_last_is_exactly_what_hugging_face_computes(model_folder, kind):
    model = classifier(model_folder(kind))
    ids, attended, response = padded("right")
    with torch.no_grad():
        theirs = model(input_ids=ids, attention_mask=attended.long()).logits.squeeze(-1)
        ours = RewardModel(model, None).score(ids, attended, response)
    assert torch.equal(ours, theirs)


def test_last_follows_hugging_face_also_where_padding_is_the_end_token(model_folder):
    model = classifier(model_folder("llama"), pad_token_id=1)
    ids, attended, response = padded("right")
    ids = ids.masked_fill(~attended, 1)
    with torch.no_grad():
        theirs = model(input_ids=ids, attention_mask=attended.long()).logits.squeeze(-1)
        ours = RewardModel(model, None).score(ids, attended, response)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("pad", [0, 1], ids=["pad of its own", "pad is the end"])
@pytest.mark.parametrize("pooling", ["last", "sum", "min"])
def test_a_model_trained_here_reads_the_answers_own_end_whatever_pads(model_folder, pooling, pad):
    """GPT-2, Llama and Pythia pad with the end token; how an answer ends must still be seen."""
    end = 1
    model = classifier(model_folder("llama"), pad_token_id=pad)
    reward = RewardModel(model, None, pooling, reads_end=True)
    texts = [[5, 6, 7, end], [5, 6, 7], [5, 9, end]]
    ids = torch.full((3, 6), pad)
    attended = torch.zeros(3, 6, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
        attended[row, : len(text)] = True
    response = attended & (torch.arange(6) >= 1)
    with torch.no_grad():
        tokens = reward.token_scores(ids, attended)
        scores = reward.score(ids, attended, response).tolist()
    by_hand = {
        "last": [tokens[row, len(text) - 1].item() for row, text in enumerate(texts)],
        "sum": [tokens[row, 1 : len(text)].sum().item() for row, text in enumerate(texts)],
        "min": [tokens[row, 1 : len(text)].min().item() for row, text in enumerate(texts)],
    }
    assert scores == pytest.approx(by_hand[pooling], abs=1e-6)
    if pooling != "min":  # the worst token may stand before the end
        assert scores[0] != pytest.approx(scores[1], abs=1e-4)


def test_sum_and_min_count_the_tokens_of_the_answer_and_no_others(model_folder):
    model = classifier(model_folder("llama"))
    ids, attended, response = padded("right")
    with torch.no_grad():
        tokens = RewardModel(model, None, "sum").token_scores(ids, attended).tolist()
        total = RewardModel(model, None, "sum").score(ids, attended, response).tolist()
        worst = RewardModel(model, None, "min").score(ids, attended, response).tolist()
    for row, (text, start) in enumerate(zip(TEXTS, STARTS, strict=True)):
        assert total[row] == pytest.approx(sum(tokens[row][start : len(text)]), abs=1e-5)
        assert worst[row] == min(tokens[row][start : len(text)])


def test_an_answer_without_tokens_is_an_error(model_folder):
    reward = RewardModel(classifier(model_folder("llama")), None, "sum")
    ids, attended, response = padded("right")
    response[1] = False
    with pytest.raises(ShapeError, match="at least one token"):
        reward.score(ids, attended, response)


@pytest.fixture
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=258,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            num_labels=1,
        )
        return BertForSequenceClassification(config).eval()


def test_an_encoder_scores_the_whole_text_in_its_own_way(encoder):
    ids, attended, response = padded("right")
    with torch.no_grad():
        theirs = encoder(input_ids=ids, attention_mask=attended.long()).logits.squeeze(-1)
        assert torch.equal(RewardModel(encoder, None).score(ids, attended, response), theirs)


def test_an_encoder_cannot_be_pooled(encoder):
    with pytest.raises(ModelError, match="use pooling 'last'"):
        RewardModel(encoder, None, "min")


def test_texts_score_like_their_ids_in_any_batching(reward_folder):
    reward = load_reward_model(reward_folder)
    prompts, responses = ["ab", "hello there", "x", "ab"], [" cd", "!", " quite a long answer", ""]
    one_by_one = [
        reward.score_texts([prompt], [response])[0]
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    assert reward.score_texts(prompts, responses, 3) == pytest.approx(one_by_one, abs=1e-5)
    ((ids, _),) = reward.vocabulary.rows(["ab"], [" cd"])
    attended = torch.ones(1, len(ids)).bool()
    assert reward.score(torch.tensor([ids]), attended, attended).item() == pytest.approx(
        one_by_one[0], abs=1e-5
    )


def test_a_finished_answer_is_scored_with_its_end_token(reward_folder):
    reward = load_reward_model(reward_folder)
    ended, cut = reward.score_texts(["ab"] * 2, [" cd"] * 2, finished=[True, False])
    assert ended != cut
    ((ids, start),) = reward.vocabulary.rows(["ab"], [" cd"])
    assert ids[-1] == reward.tokenizer.eos_token_id
    assert reward.tokenizer.decode(ids[start:-1]) == " cd"


def test_a_text_too_long_for_the_model_keeps_its_end(reward_folder):
    reward = load_reward_model(reward_folder)  # 128 positions
    long, short = "a" * 500, "a" * (128 - 3 - 1)
    assert reward.score_texts([long], [" bc"]) == pytest.approx(
        reward.score_texts([short], [" bc"]), abs=1e-5
    )


def test_ids_too_long_for_the_model_score_like_their_text(byte_tokenizer):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = GPT2Config(
            vocab_size=258,
            n_embd=16,
            n_layer=1,
            n_head=2,
            n_positions=16,
            num_labels=1,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
            initializer_range=0.2,
        )
        small = GPT2ForSequenceClassification(config).eval()
    precision = Precision(torch.device("cpu"), torch.float32)
    texts = [("a prompt of its own", " and an answer"), ("b", " c"), ("long " * 9, " " + "x" * 30)]
    vocabulary = Vocabulary.of(byte_tokenizer)
    prompts, responses = zip(*texts, strict=True)
    tails = vocabulary.answers(prompts, responses, 99)
    answers = [
        Completion(head, tail, prompt, response, finished=True)
        for head, tail, prompt, response in zip(
            vocabulary.prompts(prompts), tails, prompts, responses, strict=True
        )
    ]
    for pooling in ("last", "sum", "min"):
        model = RewardModel(small, byte_tokenizer, pooling)
        by_ids = LearnedScorer(
            model, same_tokens=True, precision=precision, batch_size=2, tokens=64
        )
        assert by_ids.score(answers).tolist() == pytest.approx(
            model.score_texts(prompts, responses), abs=1e-5
        )


def bracketed_tokenizer():
    """Every character is a token, between [CLS] and [SEP]."""
    marks = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    names = {name: i for i, name in enumerate([*marks, *map(chr, range(32, 127))])}
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
    )


def test_a_long_text_loses_its_beginning_but_not_the_tokens_that_every_text_begins_with(encoder):
    tokenizer = bracketed_tokenizer()
    prompt, response = "word " * 30, "the answer"
    reader = Vocabulary.of(tokenizer, writes=False)
    ((ids, start),) = reader.rows([prompt], [response])
    kept, moved = reader.fits((ids, start), 64)
    assert kept == [ids[0], *ids[-63:]]
    assert tokenizer.decode(kept[moved:], skip_special_tokens=True) == "t h e   a n s w e r"
    # Where the answer alone is too long, it begins after what every text begins with.
    assert reader.fits((ids, 1), 8) == ([ids[0], *ids[-7:]], 1)
    with torch.no_grad():
        theirs = encoder(input_ids=torch.tensor([kept])).logits.item()
    (ours,) = RewardModel(encoder, tokenizer).score_texts([prompt], [response])
    assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("kind", ["Roberta", "MPNet"])
def test_positions_are_counted_as_the_model_numbers_them(kind):
    settings = {
        "vocab_size": 99,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 34,
        "num_labels": 1,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    model = getattr(transformers, f"{kind}ForSequenceClassification")(
        getattr(transformers, f"{kind}Config")(**settings)
    ).eval()
    assert context_length(model) == 32
    with torch.no_grad():
        model(input_ids=torch.full((1, 32), 5))
        with pytest.raises((IndexError, RuntimeError), match="index"):
            model(input_ids=torch.full((1, 33), 5))


def test_the_folder_says_how_scores_are_pooled(reward_folder, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(reward_folder)
    model.config.drpo_pooling = "min"
    model.save_pretrained(tmp_path)
    assert load_reward_model(tmp_path).pooling == "min"
    assert load_reward_model(reward_folder).pooling == "last"
    assert load_reward_model(tmp_path).tokenizer is None
    with pytest.raises(ModelError, match="Expected a tokenizer"):
        load_reward_model(tmp_path).score_texts(["a"], ["b"])


def test_a_loaded_model_is_frozen(reward_folder):
    reward = load_reward_model(reward_folder)
    assert not reward.training
    assert not any(weight.requires_grad for weight in reward.parameters())


def edit_config(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.fixture
def copied(reward_folder, tmp_path):
    AutoModelForSequenceClassification.from_pretrained(reward_folder).save_pretrained(tmp_path)
    return tmp_path


def test_more_than_one_label_is_refused(copied):
    edit_config(copied, id2label={"0": "a", "1": "b"}, label2id={"a": 0, "b": 1})
    with pytest.raises(ModelError, match="one label, got 2"):
        load_reward_model(copied)


def test_an_unknown_pooling_is_refused(copied):
    edit_config(copied, drpo_pooling="mean")
    with pytest.raises(ModelError, match=r"drpo_pooling to be one of last, sum, min, got 'mean'"):
        load_reward_model(copied)


def test_missing_weights_are_refused(copied):
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="expected a sequence classifier"):
        load_reward_model(copied)


def test_truncated_weights_are_refused(copied):
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelError, match="expected a sequence classifier"):
        load_reward_model(copied)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json"):
        load_reward_model(tmp_path / "nowhere")


def test_a_language_model_is_no_reward_model(tmp_path):
    model = tiny_model("llama")
    model.config.num_labels = 1
    model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="without a score head"):
        load_reward_model(tmp_path)


def test_ids_are_shared_only_between_equal_tokenizers(byte_tokenizer, model_folder):
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(model_folder("llama"))
    assert same_tokenizer(byte_tokenizer, again)
    again.eos_token = "a"
    assert not same_tokenizer(byte_tokenizer, again)
    other = AutoTokenizer.from_pretrained(model_folder("llama"))
    other.add_tokens(["hello"])
    assert not same_tokenizer(byte_tokenizer, other)


@pytest.mark.parametrize("pooling", ["last", "sum", "min"])
def test_an_answer_of_no_token_has_a_score_all_the_same(model_folder, byte_tokenizer, pooling):
    reward = RewardModel(classifier(model_folder("llama")), byte_tokenizer, pooling)
    scores = reward.score_texts(["a prompt:", "a prompt:"], ["", " one"], finished=[False, False])
    assert all(math.isfinite(score) for score in scores)


def test_a_pickled_reward_model_is_refused(reward_folder, tmp_path):
    folder = shutil.copytree(reward_folder, tmp_path / "copy")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_reward_model(folder)
