"""DR-PO in one file, top to bottom: Dataset Reset Policy Optimization, arXiv:2404.08495.

PPO against a learned reward with a KL penalty, and one idea: many episodes start not at the prompt
but part-way through an answer that people preferred (a *reset*), where reward is near. What the
policy did not choose, prompt and reset prefix, is read and scored but never trained on.

It needs torch and transformers and nothing of `drpo`; a test holds its first update against the
library's, weight for weight. Left out here and there in the library: micro-batches, half precision,
LoRA, checkpoints, schedules, held-out evaluation, and training a reward model first.

    python examples/minimal_drpo.py                   # the sample task, minutes on two cores
    python examples/minimal_drpo.py --reset_prob 0    # the same without resets: PPO
"""

from __future__ import annotations

import argparse
import copy
import gzip
import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers import AutoModelForSequenceClassification as AutoClassifier
from transformers import PreTrainedTokenizerBase as Tokenizer

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"
Start = tuple[list[int], list[int]]  # tokens of a prompt, and of the reset prefix behind it
Answers = list[list[int]]  # what the policy wrote for each start, in tokens
Rollout = tuple[Tensor, Tensor, Tensor, Tensor]  # see `lay_out`


@dataclass(frozen=True)
class Args:
    """The settings, by the library's names."""

    data: str = str(SAMPLES / "files/tldr.jsonl.gz")  # rows of prompt, chosen, rejected
    policy: str = str(SAMPLES / "models/tldr-policy")  # where the policy starts, and its anchor
    reward_model: str = str(SAMPLES / "models/tldr-reward")  # reads the policy's own tokens
    out: str = ""  # where the trained policy goes
    seed: int = 0
    updates: int = 30
    episodes_per_update: int = 64
    response_length: int = 53  # tokens of an answer, reset prefix included
    temperature: float = 1.0
    missing_eos_penalty: float = -1.0  # score of an answer that did not end
    reset_prob: float = 0.5  # beta in the paper: the share of episodes that are reset
    kl_coef: float = 0.2  # lambda in the paper: score units per nat
    learning_rate: float = 2e-4  # falls in a line to 0
    adam_eps: float = 1e-5
    max_grad_norm: float = 1.0
    num_ppo_epochs: int = 2
    num_mini_batches: int = 1
    cliprange: float = 0.2
    cliprange_value: float = 0.2
    gamma: float = 1.0
    lam: float = 0.95


def rng(args: Args, step: int, purpose: str) -> torch.Generator:
    """Draws that depend on seed, step and purpose alone: a changed setting moves no other draw."""
    digest = hashlib.sha256(f"{args.seed}/{step}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def inputs(tokens: Tensor, real: Tensor) -> dict[str, Any]:
    """What a transformer reads; positions count real tokens only, so padding shifts nothing."""
    positions = (real.long().cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    return {"input_ids": tokens, "attention_mask": real.long(), "position_ids": positions}


class Critic(nn.Module):
    """A network of its own that foresees the score: a transformer and one number a token."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.backbone = AutoModel.from_pretrained(folder, dtype=torch.float32)
        self.head = nn.Linear(self.backbone.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)  # foresees 0 at first: anything else were noise
        nn.init.zeros_(self.head.bias)

    def forward(self, rollout: Rollout) -> Tensor:
        """Return the foreseen score before each chosen token, 0 elsewhere."""
        tokens, follows, _, acted = rollout
        hidden = self.backbone(input_ids=tokens, use_cache=False).last_hidden_state
        values = self.head(hidden[follows])[:, 0]
        return torch.zeros(acted.shape).masked_scatter(acted, values)


def log_probs(model: nn.Module, rollout: Rollout, args: Args) -> Tensor:
    """Return the log-probability of each chosen token where it was drawn, nats; 0 elsewhere."""
    tokens, follows, actions, acted = rollout
    hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    logs = (model.lm_head(hidden[follows]) / args.temperature).log_softmax(-1)
    logs = logs.gather(-1, actions[acted][:, None])[:, 0]
    return torch.zeros(acted.shape).masked_scatter(acted, logs)


def read_pairs(args: Args, tokenizer: Tokenizer) -> list[tuple[list[int], list[int]]]:
    """Read (prompt, chosen answer) in tokens; the answer ends with EOS unless it is cut.

    No token may span the border between the two: answers are taken to begin with a space.
    """
    opened = gzip.open if args.data.endswith(".gz") else open
    pairs = []
    with opened(args.data, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            prompt = tokenizer(row["prompt"])["input_ids"]
            answer = tokenizer(row["prompt"] + row["chosen"])["input_ids"][len(prompt) :]
            pairs.append((prompt, [*answer, tokenizer.eos_token_id][: args.response_length]))
    return pairs


def draw_starts(pairs: list[tuple[list[int], list[int]]], args: Args, step: int) -> list[Start]:
    """Start at the bare prompt or, in a reset, after a prefix of the chosen answer.

    The prefix is uniform on 0 to L - 1 tokens of an answer of L, EOS included, so that at least one
    token is left to choose. Source: arXiv:2404.08495, algorithm 1, "h in [H]".
    """
    count, size, begin = len(pairs), args.episodes_per_update, step * args.episodes_per_update
    laps = range(begin // count, (begin + size - 1) // count + 1)  # shuffled passes over the data
    order = torch.cat([torch.randperm(count, generator=rng(args, lap, "shuffle")) for lap in laps])
    rows = [pairs[at] for at in order[begin % count :][:size].tolist()]
    # The second number would choose among several answers to a prompt; here there is one.
    draws = torch.rand(size, 3, generator=rng(args, step, "starts"), dtype=torch.float64).tolist()
    starts = []
    for (prompt, answer), (reset, _, depth) in zip(rows, draws, strict=True):
        inside = reset < args.reset_prob and len(answer) > 1
        starts.append((prompt, answer[: int(depth * len(answer))] if inside else []))
    return starts


@torch.no_grad()
def finish(policy: nn.Module, starts: list[Start], args: Args, noise: Tensor, eos: int) -> Answers:
    """Let the policy finish each start; `noise` is a uniform draw for each row and token."""
    contexts = [prompt + prefix for prompt, prefix in starts]
    room = torch.tensor([args.response_length - len(prefix) for _, prefix in starts])
    width = max(map(len, contexts))
    new = torch.tensor([[eos] * (width - len(c)) + c for c in contexts])
    real = torch.tensor([[False] * (width - len(c)) + [True] * len(c) for c in contexts])
    cache, acting = DynamicCache(), torch.ones(len(starts), dtype=torch.bool)
    written: Answers = [[] for _ in starts]
    for t in range(args.response_length):
        logits = policy(**inputs(new, real), past_key_values=cache, use_cache=True).logits[:, -1]
        # One uniform number decides one token; float64, or the sum would lose the rarest tokens.
        cumulative = (logits.double() / args.temperature).softmax(-1).cumsum(-1)
        target = noise[:, t, None] * cumulative[:, -1:]
        new = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[1] - 1)
        for row in acting.nonzero()[:, 0].tolist():
            written[row].append(int(new[row]))
        real = torch.cat([real, acting[:, None]], dim=1)
        acting = acting & (new[:, 0] != eos) & (t + 1 < room)
        if not acting.any():
            break
    return written


def pad(rows: list[list[int]], eos: int) -> tuple[Tensor, Tensor]:
    """Return rows as a rectangle, padded at their ends, and their lengths as a column."""
    longest = max(map(len, rows))
    padded = torch.tensor([row + [eos] * (longest - len(row)) for row in rows])
    return padded, torch.tensor([[len(row)] for row in rows])


def lay_out(rows: list[list[int]], written: Answers, eos: int) -> Rollout:
    """Return tokens, which of them a choice follows; choices, which of them are no padding."""
    # Nothing follows a row's last token; no token sees the padding behind it: no mask is needed.
    tokens, ends = pad([row[:-1] for row in rows], eos)
    actions, counts = pad(written, eos)
    columns = torch.arange(tokens.shape[1])
    follows = (columns >= ends - counts) & (columns < ends)
    return tokens, follows, actions, torch.arange(actions.shape[1]) < counts


@torch.no_grad()
def score(judge: nn.Module, starts: list[Start], rows: list[list[int]], eos: int) -> Tensor:
    """Score whole answers, reset prefix included, with a one-label classifier.

    It reads the last token; where config.json has drpo_pooling, all of the answer's or the worst.
    """
    ids, ends = pad(rows, eos)
    columns = torch.arange(ids.shape[1])
    begins = torch.tensor([[len(prompt)] for prompt, _ in starts])
    hidden = judge.base_model(**inputs(ids, columns < ends), use_cache=False).last_hidden_state
    by_token, pooling = judge.score(hidden)[..., 0], getattr(judge.config, "drpo_pooling", "last")
    counted = (columns >= (ends - 1 if pooling == "last" else begins)) & (columns < ends)
    if pooling == "min":
        return torch.where(counted, by_token, torch.inf).amin(1)
    return torch.where(counted, by_token, 0.0).sum(1)


def gae(rewards: Tensor, values: Tensor, acted: Tensor, args: Args) -> tuple[Tensor, Tensor]:
    """Return advantages and critic targets. Source: Schulman et al. 2016, arXiv:1506.02438."""
    advantages = torch.zeros_like(rewards)
    running = next_value = torch.zeros_like(rewards[:, 0])  # after the last choice comes nothing
    for t in reversed(range(rewards.shape[1])):
        error = rewards[:, t] + args.gamma * next_value - values[:, t]
        running = torch.where(acted[:, t], error + args.gamma * args.lam * running, 0.0)
        next_value = values[:, t]
        advantages[:, t] = running
    return advantages, torch.where(acted, advantages + values, 0.0)


def whiten(values: Tensor, acted: Tensor) -> Tensor:
    """Shift and scale to mean 0 and spread 1 over the chosen tokens."""
    count = acted.sum().clamp(min=2)
    mean = torch.where(acted, values, 0.0).sum() / count
    variance = torch.where(acted, (values - mean) ** 2, 0.0).sum() / (count - 1)
    return torch.where(acted, (values - mean) * torch.rsqrt(variance + 1e-8), 0.0)


def policy_loss(new: Tensor, old: Tensor, advantages: Tensor, acted: Tensor, args: Args) -> Tensor:
    """PPO's clipped surrogate, a mean over chosen tokens. Source: arXiv:1707.06347, equation 7."""
    ratio = torch.where(acted, new - old, 0.0).exp()
    clipped = ratio.clamp(1 - args.cliprange, 1 + args.cliprange)
    worse = torch.maximum(-advantages * ratio, -advantages * clipped)
    return torch.where(acted, worse, 0.0).sum() / acted.sum()


def value_loss(new: Tensor, old: Tensor, returns: Tensor, acted: Tensor, args: Args) -> Tensor:
    """Half the critic's squared error, its move clipped as in the PPO authors' code; a mean."""
    near = old + (new - old).clamp(-args.cliprange_value, args.cliprange_value)
    worse = torch.maximum((new - returns) ** 2, (near - returns) ** 2)
    return 0.5 * torch.where(acted, worse, 0.0).sum() / acted.sum()


def descend(loss: Tensor, module: nn.Module, optimizer: torch.optim.Optimizer, args: Args) -> None:
    """Take one step; policy and critic have each their own Adam and gradient norm."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), args.max_grad_norm)
    optimizer.step()


def train(args: Args) -> nn.Module:
    """Train the policy and return it."""
    tokenizer = AutoTokenizer.from_pretrained(args.policy)
    eos, pairs = tokenizer.eos_token_id, read_pairs(args, tokenizer)
    # In eval mode for good: with dropout, acting and learning would see different networks.
    policy = AutoModelForCausalLM.from_pretrained(args.policy, dtype=torch.float32).eval()
    start_policy = copy.deepcopy(policy)
    judge = AutoClassifier.from_pretrained(args.reward_model, dtype=torch.float32).eval()
    critic = Critic(args.policy).eval()
    adam = {"lr": args.learning_rate, "eps": args.adam_eps, "weight_decay": 0.0, "fused": True}
    policy_optimizer = torch.optim.AdamW(policy.parameters(), **adam)
    critic_optimizer = torch.optim.AdamW(critic.parameters(), **adam)
    for step in range(args.updates):
        for group in policy_optimizer.param_groups + critic_optimizer.param_groups:
            group["lr"] = args.learning_rate * (1 - step / args.updates)

        # 1. Start at the prompt, or part-way through a preferred answer.
        starts = draw_starts(pairs, args, step)

        # 2. Act. `acted` is True only on tokens the policy chose.
        shape, generator = (len(starts), args.response_length), rng(args, step, "sampling")
        noise = torch.rand(shape, generator=generator, dtype=torch.float64)
        written = finish(policy, starts, args, noise, eos)
        whole = [prompt + given + own for (prompt, given), own in zip(starts, written, strict=True)]
        rollout = lay_out(whole, written, eos)
        acted = rollout[-1]

        # 3. Judge whole answers; ask policy, start policy and critic about every chosen token.
        finished = torch.tensor([ids[-1] == eos for ids in written])
        scores = score(judge, starts, whole, eos).where(finished, args.missing_eos_penalty)
        with torch.no_grad():
            old = log_probs(policy, rollout, args)
            before = log_probs(start_policy, rollout, args)
            values = critic(rollout)

        # 4. Credit: each chosen token pays for its KL, the last one earns the score (equation 1).
        kl = old - before  # k1, nats: J. Schulman, "Approximating KL", 2020
        rewards = -args.kl_coef * kl
        rewards[torch.arange(len(starts)), acted.sum(1) - 1] += scores
        advantages, returns = gae(rewards, values, acted, args)
        advantages = whiten(advantages, acted)

        # 5. Learn. Every chosen token of a minibatch counts the same. Short rows come first, as in
        # the library, so that both add up in one order and agree to the last bit.
        shuffle = rng(args, step, "minibatches")
        for _ in range(args.num_ppo_epochs):
            order = torch.randperm(len(starts), generator=shuffle)
            for part in order.split(-(-len(starts) // args.num_mini_batches)):
                rows = sorted(part.tolist(), key=lambda row: (len(whole[row]), row))
                seen, chose = tuple(tensor[rows] for tensor in rollout), acted[rows]
                new, foreseen = log_probs(policy, seen, args), critic(seen)
                loss = policy_loss(new, old[rows], advantages[rows], chose, args)
                descend(loss, policy, policy_optimizer, args)
                loss = value_loss(foreseen, values[rows], returns[rows], chose, args)
                descend(loss, critic, critic_optimizer, args)

        print(f"update {step + 1}: score {scores.mean():.2f}, kl {kl.sum(1).mean():.2f} nats")
    if args.out:
        policy.save_pretrained(args.out)
        tokenizer.save_pretrained(args.out)
    return policy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for field in fields(Args):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    train(Args(**vars(parser.parse_args())))
