"""Between text and tokens."""

from dataclasses import replace

import pytest
from conftest import make_byte_tokenizer
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from drpo.data.pairs import Pair
from drpo.errors import DataError, ModelError
from drpo.modeling.tokenization import PromptLimit, Vocabulary, tokenize_answers, tokenize_prompts
from drpo.rl.metrics import split_answer
from drpo.rl.resets import by_item, draw, place_starts


def sentencepiece_like():
    """Spaces become a mark, and one is put before every text, as Llama's tokenizers do."""
    pieces = ["<s>", "</s>", "<unk>", "▁", *"abcdefgh", "▁a", "▁ab", "cd", "▁cd"]
    tokenizer = Tokenizer(
        models.BPE(
            {piece: i for i, piece in enumerate(pieces)},
            [("▁", "a"), ("▁a", "b"), ("c", "d"), ("▁", "cd")],
            unk_token="<unk>",
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", bos_token="<s>"
    )


def vocabulary_id(letter):
    return make_byte_tokenizer().convert_tokens_to_ids(letter)


@pytest.fixture(params=[make_byte_tokenizer, sentencepiece_like], ids=["bytes", "pieces"])
def vocabulary(request):
    return Vocabulary.of(request.param())


@pytest.mark.parametrize(("prompt", "answer"), [("ab cd", " ab"), ("ab ", "cd ab"), ("a", " cd h")])
def test_text_survives_the_way_there_and_back(vocabulary, prompt, answer):
    (head,), (tail,) = vocabulary.prompts([prompt]), vocabulary.answers([prompt], [answer], 99)
    assert vocabulary.text(head) == prompt
    assert vocabulary.text((*head, *tail)) == prompt + answer
    assert vocabulary.continuation(head, tail) == answer
    assert tail[-1] == vocabulary.end


def test_an_answer_is_tokenized_as_it_follows_its_prompt():
    vocabulary = Vocabulary.of(sentencepiece_like())
    (tail,) = vocabulary.answers(["ab"], [" cd"], 99)
    assert vocabulary.tokenizer.convert_ids_to_tokens(list(tail)) == ["▁cd", "</s>"]


def test_an_answer_whose_first_token_spans_the_border_stands_by_itself():
    vocabulary = Vocabulary.of(sentencepiece_like())
    (head,), (tail,) = vocabulary.prompts(["abc"]), vocabulary.answers(["abc"], ["d e"], 99)
    whole = vocabulary.tokenizer("abcd e")["input_ids"]
    assert tuple(whole[: len(head)]) != head  # "c" and "d" have become one token
    assert tail[-1] == vocabulary.end
    assert vocabulary.tokenizer.convert_ids_to_tokens(list(tail[:1])) == ["d"]


def test_prompts_read_before_do_not_get_into_answers_to_others(vocabulary):
    one, other = ["red:", "a blue:"], ["green:", "blue:"]
    reader, fresh = vocabulary, replace(vocabulary)
    read = [
        reader.prompts(one),
        reader.answers(one, [" x", " y"]),
        reader.answers(other, ["z"] * 2),
    ]
    assert read[2] == fresh.answers(other, ["z"] * 2)
    assert read[:2] == [fresh.prompts(one), fresh.answers(one, [" x", " y"])]


def test_a_long_answer_is_cut_without_an_end_token(vocabulary):
    (tail,) = vocabulary.answers(["a"], [" a b c d e f g h"], 4)
    assert len(tail) == 4
    assert vocabulary.end not in tail


def test_an_end_token_that_the_tokenizer_adds_does_not_end_prompts():
    tokenizer = make_byte_tokenizer()
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A <end>", special_tokens=[("<end>", 1)]
    )
    vocabulary = Vocabulary.of(tokenizer)
    (head,), (tail,) = vocabulary.prompts(["ab"]), vocabulary.answers(["ab"], [" c"], 99)
    assert 1 not in head
    assert tail.count(1) == 1


def test_an_end_token_inside_an_answer_ends_it(vocabulary):
    end = vocabulary.tokenizer.eos_token
    answers = [f" ab{end}cd", f" ab cd{end}", end]
    tails = vocabulary.answers(["ab"] * 3, answers, 99)
    assert [tail.count(vocabulary.end) for tail in tails] == [1, 1, 1]
    assert [tail.index(vocabulary.end) + 1 for tail in tails] == [len(tail) for tail in tails]
    assert [vocabulary.text(tail).strip() for tail in tails] == ["ab", "ab cd", ""]


def test_no_reset_prefix_holds_an_end_token():
    vocabulary = Vocabulary.of(make_byte_tokenizer(), stops=[vocabulary_id("#")])
    pairs = [Pair(f"p{n}", " one<end>two # three", " x") for n in range(4)]
    prompts = tokenize_prompts(vocabulary, pairs, PromptLimit(9, "a test"))
    offline = tokenize_answers(vocabulary, pairs, prompts, "chosen", 99)
    for step in range(10):
        draws = draw(4, 0, step)
        starts = place_starts(prompts, by_item(offline), draws, reset_prob=1.0, min_prefix=1)
        assert not any(token in vocabulary.stops for start in starts for token in start.given)


def test_a_prompt_keeps_an_end_token_of_its_own():
    vocabulary = Vocabulary.of(make_byte_tokenizer())
    (head,), (tail,) = vocabulary.prompts(["ab<end>"]), vocabulary.answers(["ab<end>"], [" c"], 99)
    assert head[-1] == vocabulary.end
    assert vocabulary.text(tail) == " c"


def test_without_a_pad_token_any_id_fills():
    assert Vocabulary.of(sentencepiece_like()).pad == 1


def test_further_end_tokens_come_from_the_model():
    assert Vocabulary.of(make_byte_tokenizer(), [7, 1]).stops == (1, 7)


def test_a_tokenizer_without_an_end_is_refused():
    tokenizer = make_byte_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(ModelError, match="end-of-text"):
        Vocabulary.of(tokenizer)


def test_long_and_empty_prompts_are_named_by_row(vocabulary):
    pairs = [Pair("a", "b", "c", row=3), Pair("a b c d e f g h", "b", "c", row=8)]
    with pytest.raises(DataError, match=r"row 8 is .* at most 4 fit \(a test\)"):
        tokenize_prompts(vocabulary, pairs, PromptLimit(4, "a test"))
    kept = tokenize_prompts(vocabulary, pairs, PromptLimit(4, "a test", drop=True))
    assert [prompt.item for prompt in kept] == [0]
    with pytest.raises(DataError, match="No prompt fits"):
        tokenize_prompts(vocabulary, pairs[1:], PromptLimit(4, "a test", drop=True))


def test_an_empty_prompt_is_refused():
    with pytest.raises(DataError, match="row 5 holds no token"):
        tokenize_prompts(
            Vocabulary.of(make_byte_tokenizer()), [Pair("", "b", "c", row=5)], PromptLimit(4, "x")
        )


def test_a_reset_inside_a_character_loses_nothing():
    assert split_answer("日本語", "日") == ("日", "本語")
    assert split_answer("日本語", "日\ufffd\ufffd") == ("日", "本語")
    assert split_answer("abc", "") == ("", "abc")
