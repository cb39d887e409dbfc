"""Let one checkpoint write, token by token, and say at each where it departs from its start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import DynamicCache

from drpo.data.gold_reward import Gold
from drpo.errors import DataError
from drpo.modeling.forward_pass import Precision, call_causal
from drpo.modeling.model_loading import context_length
from drpo.modeling.reward_model import RewardModel
from drpo.modeling.scorers import Completion, LearnedScorer
from drpo.modeling.tokenization import Vocabulary
from drpo.playground.protocol import Sampling
from drpo.rl.kl import exact_kl
from drpo.rl.sampling import choose


@dataclass(frozen=True)
class Voice:
    """A checkpoint ready to write."""

    policy: nn.Module
    start: nn.Module
    """The policy that its run started from."""
    vocabulary: Vocabulary
    reward: RewardModel | None
    weights: str
    """Hash of the policy's weights."""
    device: torch.device
    gold: Gold | None = None
    """The true score, where it scores any text: nobody knows the facts of a typed question."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token with how likely it was; see `drpo.playground.protocol`."""

    text: str
    log_prob: float
    start_log_prob: float
    kl: float


class _Reader:
    """One model reading along, with its key-value cache."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device = model, device
        self.cache = DynamicCache()
        self.read = 0

    def __call__(self, ids: Sequence[int], keep: int = 1) -> Float[Tensor, "kept vocab"]:
        """Read on; return the logits after each of the last `keep` tokens, float32."""
        tokens = torch.tensor([list(ids)], device=self.device)
        end = self.read + len(ids)
        positions = torch.arange(self.read, end, device=self.device)[None]
        mask = torch.ones(1, end, dtype=torch.long, device=self.device)
        extra: dict[str, Any] = {"past_key_values": self.cache, "use_cache": True}
        self.read = end
        with torch.no_grad():
            return call_causal(self.model, tokens, mask, positions, keep=keep, **extra)[0].float()


def write(voice: Voice, prompt: str, prefix: str, sampling: Sampling) -> Iterator[dict[str, Any]]:
    """Write an answer that begins with `prefix`, and yield what `drpo.playground.protocol` lists.

    Args:
        voice: The checkpoint.
        prompt: The prompt, whitespace included, as the policy was trained to read it.
        prefix: The beginning of the answer that is given: a reset by hand.
        sampling: How to draw.

    Raises:
        DataError: The prompt is empty, or leaves no room in the model's context.
    """
    # Before the first token: an answer that is broken off must have its hash as well.
    yield {"kind": "weights", "weights": voice.weights}
    context, given = contexts(voice, prompt, prefix)
    room = room_for(voice, len(context) + len(given), sampling.max_tokens)
    policy, start = _Reader(voice.policy, voice.device), _Reader(voice.start, voice.device)
    generator = torch.Generator().manual_seed(sampling.seed)
    keep = len(given) + 1
    now, before = policy([*context, *given], keep), start([*context, *given], keep)
    if given:
        shown = [
            _token(_text(voice, context, given[:i], token), now[i], before[i], token)
            for i, token in enumerate(given)
        ]
        yield {"kind": "given", "tokens": [asdict(token) for token in shown]}
    written: list[int] = []
    said = text_of(voice, context, given)
    for _ in range(room):
        uniform = torch.rand(1, generator=generator, dtype=torch.float64)
        token = draw(now[-1], uniform, sampling)
        written.append(token)
        fresh = news(said, text_of(voice, context, [*given, *written]))
        said += fresh
        yield {"kind": "token", "token": asdict(_token(fresh, now[-1], before[-1], token))}
        if token in voice.vocabulary.stops:
            break
        now, before = policy([token]), start([token])
    finished = written[-1] in voice.vocabulary.stops
    yield {
        "kind": "end",
        "finished": finished,
        **_judged(voice, prompt, context, [*given, *written], finished),
        "gold": voice.gold and voice.gold(text_of(voice, context, [*given, *written]), {}),
    }


def news(said: str, whole: str) -> str:
    """What a text adds to what was shown; a character spread over tokens waits for its end."""
    return "" if whole.endswith("\N{REPLACEMENT CHARACTER}") else whole[len(said) :]


def draw(
    logits: Float[Tensor, " vocab"], uniform: Float[Tensor, " one"], sampling: Sampling
) -> int:
    """Draw one token from the likeliest ones that make up `top_p` of the probability."""
    if sampling.top_p < 1 and sampling.temperature > 0:
        ordered, order = (logits / sampling.temperature).softmax(-1).sort(descending=True)
        # The first token that reaches top_p still counts, so at least one always does.
        beyond = ordered.cumsum(-1) - ordered >= sampling.top_p
        logits = logits.clone()
        logits[order[beyond]] = -torch.inf
    return int(choose(logits[None], uniform.to(logits.device), sampling.temperature)[0])


def contexts(voice: Voice, prompt: str, prefix: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens of the prompt, and of the prefix as they follow it.

    Raises:
        DataError: The prompt is empty.
    """
    context = voice.vocabulary.prompts([prompt])[0]
    if not context:
        raise DataError("The prompt is empty; write something for the policy to answer.")
    if not prefix:
        return context, ()
    return context, voice.vocabulary.answers([prompt], [prefix], finished=[False])[0]


def room_for(voice: Voice, used: int, wanted: int) -> int:
    """How many of the wanted tokens fit into the models' contexts after `used` ones.

    Raises:
        DataError: None does.
    """
    limits = [context_length(model) for model in (voice.policy, voice.start)]
    limit = min((limit for limit in limits if limit is not None), default=None)
    room = wanted if limit is None else min(wanted, limit - used)
    if room < 1:
        raise DataError(
            f"Prompt and beginning are {used} tokens long, but the model reads {limit}; shorten "
            "them."
        )
    return room


def _token(
    text: str, now: Float[Tensor, " vocab"], before: Float[Tensor, " vocab"], token: int
) -> Token:
    return Token(
        text=text,
        log_prob=float(now.log_softmax(-1)[token]),
        start_log_prob=float(before.log_softmax(-1)[token]),
        kl=float(exact_kl(now[None, None], before[None, None])),
    )


def token_texts(voice: Voice, context: Sequence[int], ids: Sequence[int]) -> list[str]:
    """What each token of an answer adds to its text; a character of several comes with its last."""
    said, texts = "", []
    for end in range(1, len(ids) + 1):
        texts.append(news(said, text_of(voice, context, ids[:end])))
        said += texts[-1]
    return texts


def text_of(voice: Voice, context: Sequence[int], ids: Sequence[int]) -> str:
    """The text of an answer's tokens after their prompt's."""
    return voice.vocabulary.continuation(context, ids)


def _text(voice: Voice, context: Sequence[int], earlier: Sequence[int], token: int) -> str:
    """What one token adds to the text before it."""
    before = text_of(voice, context, earlier)
    return text_of(voice, context, [*earlier, token])[len(before) :]


def _judged(
    voice: Voice, prompt: str, context: Sequence[int], answer: Sequence[int], finished: bool
) -> dict[str, Any]:
    """The learned score of the whole answer, and token by token where the model allows it."""
    model = voice.reward
    if model is None:
        return {"score": None, "token_scores": None, "pooling": None}
    same = model.reads_like(voice.vocabulary)
    by_token = None
    if same and hasattr(model.classifier, "score"):
        ids = torch.tensor([[*context, *answer]], device=voice.device)
        with torch.no_grad():
            scores = model.token_scores(ids, torch.ones_like(ids))[0, len(context) :]
        by_token = scores.tolist()
    one = Completion(
        tuple(context),
        tuple(answer),
        prompt,
        text_of(voice, context, answer),
        finished,
        bare=voice.vocabulary.chat is not None,
    )
    room = len(context) + len(answer)
    scorer = LearnedScorer(model, same, Precision(voice.device, torch.float32), 1, room)
    (score,) = scorer.score([one]).tolist()
    return {"score": score, "token_scores": by_token, "pooling": model.pooling}
