"""What networks say of the chosen tokens: logits, log-probabilities, entropies, values.

The head, the widest layer of a model, reads no position but those that a choice follows, and of
those so many at a time that their logits stay small beside the rest of a pass. Logits and their
softmax are float32, whatever the pass is in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from drpo.modeling.forward_pass import Precision, call_at, head_of, hidden_at
from drpo.modeling.models import Models
from drpo.rl.kl import exact_kl
from drpo.rl.micro_batches import MicroBatch

LOGITS = 2**24
"""Most logits at once: 64 MiB of them; a gradient or a KL keeps a few such blocks for a moment."""
ON_GPU = 4
"""How many times as many on a GPU: it waits at every block for the processor to start it."""


@dataclass(frozen=True)
class ActionScores:
    """What a network says of each chosen token."""

    log_probs: Float[Tensor, " chosen"]
    """Nats."""
    entropy: Float[Tensor, " chosen"]
    """Of the distribution that the token was, or would be, drawn from, nats."""


@dataclass(frozen=True)
class ComparedScores(ActionScores):
    """The same beside what the start policy says."""

    reference: Float[Tensor, " chosen"]
    """The start policy's log-probabilities, nats."""
    kl: Float[Tensor, " chosen"]
    """KL from the start policy, exact over the vocabulary, nats."""


def action_log_probs(
    model: nn.Module, part: MicroBatch, precision: Precision, temperature: float
) -> Float[Tensor, " chosen"]:
    """Return the log-probability of each chosen token, nats, to learn from.

    Where the logits come in several blocks, each is computed again for its gradient, so that none
    waits in memory.
    """
    with precision.autocast():
        hidden = hidden_at(model, part.tokens, part.at)
        return log_probs_of(
            partial(head_of, model), _words(model), hidden, part.actions, temperature
        )


def log_probs_of(
    head: Callable[[Tensor], Tensor],
    vocabulary: int,
    hidden: Float[Tensor, "places hidden"],
    actions: Int[Tensor, " places"],
    temperature: float = 1.0,
) -> Float[Tensor, " places"]:
    """Return the log-probability of a token after each of some hidden states, nats.

    Args:
        head: Makes logits of hidden states.
        vocabulary: How many logits it makes of each.
        hidden: What it reads.
        actions: The tokens.
        temperature: As of `tempered`.
    """

    def of_block(
        read: Float[Tensor, "block hidden"], chosen: Int[Tensor, " block"]
    ) -> Float[Tensor, " block"]:
        return picked(tempered(head(read).float(), temperature), chosen)

    blocks = _blocks(vocabulary, hidden)
    if len(blocks) == 1:
        return of_block(hidden, actions)
    found = [
        checkpoint(
            of_block,
            hidden[block],
            actions[block],
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for block in blocks
    ]
    return torch.cat(found)


@torch.no_grad()
def action_scores(
    model: nn.Module, part: MicroBatch, precision: Precision, temperature: float
) -> ActionScores:
    """Measure each chosen token under a network."""
    with precision.autocast():
        hidden = hidden_at(model, part.tokens, part.at)
        found = []
        for block in _blocks(_words(model), hidden):
            logs = tempered(head_of(model, hidden[block]).float(), temperature)
            found.append((picked(logs, part.actions[block]), entropy_of(logs)))
    return ActionScores(*map(torch.cat, zip(*found, strict=True)))


@torch.no_grad()
def compared_scores(
    policy: nn.Module, models: Models, part: MicroBatch, temperature: float
) -> ComparedScores:
    """Measure each chosen token under a policy and the start policy, both distributions whole."""
    with models.precision.autocast():
        read = hidden_at(policy, part.tokens, part.at)
        found = []
        # Adapters are switched off once: no head carries one, so both can be asked from here on.
        with models.start_policy() as start:
            before = hidden_at(start, part.tokens, part.at)
            for block in _blocks(_words(policy), read):
                ours = tempered(head_of(policy, read[block]).float(), temperature)
                theirs = tempered(head_of(start, before[block]).float(), temperature)
                actions = part.actions[block]
                found.append(
                    (
                        picked(ours, actions),
                        entropy_of(ours),
                        picked(theirs, actions),
                        exact_kl(ours, theirs),
                    )
                )
    return ComparedScores(*map(torch.cat, zip(*found, strict=True)))


def _words(model: nn.Module) -> int:
    """How many logits a model's head makes."""
    return int(model.get_output_embeddings().weight.shape[0])  # type: ignore[operator]


def _blocks(vocabulary: int, hidden: Float[Tensor, "places hidden"]) -> list[slice]:
    """Cut places into blocks of at most `LOGITS` logits; one where there is none."""
    most = LOGITS * (ON_GPU if hidden.device.type == "cuda" else 1)
    size = max(1, most // vocabulary)
    return [slice(begin, begin + size) for begin in range(0, max(len(hidden), 1), size)]


def action_logits(
    model: nn.Module, part: MicroBatch, precision: Precision
) -> Float[Tensor, "chosen vocab"]:
    """Return the logits each chosen token was, or would be, drawn from; float32."""
    with precision.autocast():
        return call_at(model, part.tokens, part.at).float()


def action_values(
    critic: nn.Module, part: MicroBatch, precision: Precision
) -> Float[Tensor, " chosen"]:
    """Return the critic's estimate before each chosen token, score units."""
    with precision.autocast():
        values: Tensor = critic(part.tokens, part.at)
    return values.float()


def tempered(
    logits: Float[Tensor, "*batch vocab"], temperature: float
) -> Float[Tensor, "*batch vocab"]:
    """Return the log-probability of every next token, nats; at temperature 0 as at 1."""
    scaled = logits if temperature in (0.0, 1.0) else logits / temperature
    return scaled.log_softmax(-1)


def picked(
    log_probs: Float[Tensor, "*batch vocab"], actions: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Return the log-probability of each token in the distribution it was drawn from, nats."""
    return log_probs.gather(-1, actions[..., None])[..., 0]


def entropy_of(log_probs: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch"]:
    """Return the entropy of each next-token distribution, nats."""
    # Where p is 0, p log p is 0 by continuity, though log p may be -inf.
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(log_probs.dtype).min)).sum(-1)
