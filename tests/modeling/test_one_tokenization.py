"""One text is one row of tokens, whoever reads it: over tokenizers of every family."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_families import FAMILIES, LOSSLESS, SENTENCES, fast

from drpo.data.pairs import Pair
from drpo.modeling.tokenization import PromptLimit, Vocabulary, tokenize_answers, tokenize_prompts
from drpo.stages.examples import one_row, two_rows

SPECIALS = {
    "plain": {},
    "pad is the end": {"pad_token": "</s>"},
    "pad is unknown": {"pad_token": "<unk>"},
    "end, pad and unknown are one": {"pad_token": "</s>", "unk_token": "</s>"},
    "no pad": {"pad_token": None},
    "closes every text": {"around": "<s> $A </s>"},
    "adds nothing": {"around": "$A"},
}
MADE = {
    (family, kind): fast(family, **special)
    for family in FAMILIES
    for kind, special in SPECIALS.items()
}
BITS = ["\n\n", "\n", " ", "", ":", "bread", " cats", "TL;DR:", "日本", "🙂", "👍🏽", "</s>", "<s>"]
TEXTS = st.lists(st.sampled_from(BITS), min_size=1, max_size=7).map("".join)


def vocabulary(family, kind="plain", stops=()):
    tokenizer = MADE[family, kind]
    return Vocabulary.of(tokenizer, [tokenizer.convert_tokens_to_ids(stop) for stop in stops])


@pytest.mark.parametrize("kind", SPECIALS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_stage_and_the_policy_read_a_row_alike(family, kind):
    reader = vocabulary(family, kind, ["<|turn|>"])
    rng = random.Random(0)
    texts = ["".join(rng.choices([*BITS, *SENTENCES], k=5)) for _ in range(60)]
    pairs = [
        Pair(f"x{asked}", better + "y", worse + "z", row=n)
        for n, (asked, better, worse) in enumerate(zip(texts, texts[1:], texts[2:], strict=False))
    ]
    prompts = tokenize_prompts(reader, pairs, PromptLimit(9999, "a test"))
    demonstrations, compared = one_row(reader, pairs), two_rows(reader, pairs)
    for place, origin in enumerate(("chosen", "rejected")):
        offline = tokenize_answers(reader, pairs, prompts, origin, 9999)
        for pair, tuned, both in zip(offline, demonstrations, compared, strict=True):
            row = ([*pair.prompt, *pair.answer], len(pair.prompt))
            assert both.rows[place] == row
            if origin == "chosen":
                assert tuned.rows == (row,)


@pytest.mark.parametrize("kind", SPECIALS)
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=40, deadline=None)
@given(prompt=TEXTS, answer=TEXTS, finished=st.booleans())
def test_a_row_has_one_beginning_and_one_end(family, kind, prompt, answer, finished):
    reader = vocabulary(family, kind, ["<|turn|>"])
    tokenizer, begin = reader.tokenizer, reader.tokenizer.bos_token_id
    (head,) = reader.prompts([prompt])
    (tail,) = reader.answers([prompt], [answer], None, [finished])
    assert reader.rows([prompt], [answer], [finished]) == [([*head, *tail], len(head))]
    # What the tokenizer puts before a text stands there once, whether the text says it or not.
    said = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    own = kind != "adds nothing"
    twice = said[:2] == [begin, begin]
    assert head[:1] == ((begin,) if own else tuple(said[:1]))
    assert head[:2] != (begin, begin) or twice
    assert not any(token in reader.stops for token in tail[: len(tail) - finished])
    assert (tail[-1:] == (reader.end,)) == finished
    if not any(token in prompt + answer for token in ("<s>", "</s>")):
        # The prompt's own tokens come first: those that a policy is given.
        assert list(head) == [begin] * own + said
        if family in LOSSLESS:
            assert reader.text((*head, *tail)) == prompt + answer


@pytest.mark.parametrize("kind", SPECIALS)
def test_a_token_over_the_border_is_not_read_by_anyone(kind):
    reader = vocabulary("byte_level", kind)
    tokens = reader.tokenizer.convert_ids_to_tokens
    whole = reader.tokenizer("TL\n\n cats", add_special_tokens=False)["input_ids"]
    alone = reader.tokenizer("TL\n", add_special_tokens=False)["input_ids"]
    assert "ĊĊ" in tokens(whole)
    assert whole[: len(alone)] != alone
    ((ids, start),) = reader.rows(["TL\n"], ["\n cats"])
    assert tokens(ids)[start - 1 : start + 1] == ["Ċ", "Ċ"]
