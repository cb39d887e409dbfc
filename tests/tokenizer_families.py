"""Tokenizers of every family, trained in a blink on a few sentences: no network is needed."""

import json
from collections.abc import Callable
from typing import Any

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

SENTENCES = [
    "\n\nHuman: What is bread?\n\nAssistant: Bread is food, made of flour.",
    "Post: a cat sat on a mat\n\nTL;DR: cats sit on mats",
    "def f(x):\n    return x + 1\n\n",
    "日本語の文章です。猫が好き。",
    "Emoji: 🙂👍🏽 and more.",
] * 4 + ["\n\n"] * 60
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|turn|>"]


def byte_level(*, line_breaks_together: bool = False) -> Tokenizer:
    """GPT-2: bytes, with a token of its own for a double line break."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if line_breaks_together:
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(SENTENCES, trainer)
    return made


def tiktoken_like() -> Tokenizer:
    """Llama 3 and Qwen 2: bytes, and line breaks stay together whatever follows."""
    return byte_level(line_breaks_together=True)


def pieces() -> Tokenizer:
    """Unigram with bytes to fall back on, as T5 and ALBERT have it; a space becomes a mark."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    trainer = trainers.UnigramTrainer(
        vocab_size=300,
        special_tokens=SPECIAL,
        unk_token="<unk>",
        initial_alphabet=sorted(set("".join(SENTENCES)) | set(map(chr, range(33, 127)))),
        show_progress=False,
    )
    made.train_from_iterator(SENTENCES, trainer)
    return made


def llama_like() -> Tokenizer:
    """Sentencepiece's BPE as Llama 2 and Mistral have it: a mark before every text, bytes."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trained.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # in training only
    bytes_ = [f"<0x{n:02X}>" for n in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[*SPECIAL, *bytes_],
        initial_alphabet=sorted(set(map(chr, range(32, 127))) | {"\n"}),
        limit_alphabet=110,
        show_progress=False,
    )
    trained.train_from_iterator(SENTENCES, trainer)
    written = json.loads(trained.to_str())
    written["model"]["byte_fallback"] = True
    written["pre_tokenizer"] = None
    kept = [added for added in written["added_tokens"] if added["content"] in SPECIAL]
    written["added_tokens"] = kept  # a byte is an ordinary token
    made = Tokenizer.from_str(json.dumps(written))
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return made


def word_pieces() -> Tokenizer:
    """BERT: words and their parts, between [CLS] and [SEP]."""
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=[*SPECIAL, "[CLS]", "[SEP]"], show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    return made


FAMILIES: dict[str, Callable[[], Tokenizer]] = {
    "byte_level": byte_level,
    "tiktoken_like": tiktoken_like,
    "pieces": pieces,
    "llama_like": llama_like,
    "word_pieces": word_pieces,
}
LOSSLESS = ("byte_level", "tiktoken_like", "llama_like")


def fast(family: str, *, around: str = "<s> $A", **special: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of a family.

    Args:
        family: One of FAMILIES.
        around: What it puts around a text.
        special: Its special tokens by their role; `pad_token="</s>"` makes pad and end one.
    """
    made = FAMILIES[family]()
    names = {name: made.token_to_id(name) for name in around.split() if name != "$A"}
    if names:
        made.post_processor = processors.TemplateProcessing(
            single=around, special_tokens=list(names.items())
        )
    roles = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    given = {role: name for role, name in (roles | special).items() if name is not None}
    return PreTrainedTokenizerFast(
        tokenizer_object=made, additional_special_tokens=["<|turn|>"], **given
    )
