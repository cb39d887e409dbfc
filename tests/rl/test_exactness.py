"""What must hold to the last bit, or for every way to cut a batch."""

import math
from dataclasses import replace

import pytest
import torch
from conftest import make_byte_tokenizer, tiny_model
from toy import RecordingObserver, toy_config, toy_pairs

from drpo.modeling.critic import Critic
from drpo.modeling.dropout import settle
from drpo.modeling.forward_pass import Precision
from drpo.modeling.models import Models, load_models
from drpo.modeling.seeding import generator_for
from drpo.modeling.tokenization import Vocabulary
from drpo.rl import scoring
from drpo.rl.credit import assign_credit
from drpo.rl.critic_updates import critic_gradients, learn_critic
from drpo.rl.minibatches import split_minibatches
from drpo.rl.ppo import learn, old_policy_stats, policy_gradients
from drpo.rl.resets import batch_rows
from drpo.rl.rollout import Rollout, pack
from drpo.rl.sampling import Sampling
from drpo.rl.trainer import train

KINDS = ["gpt2", "llama", "gpt_neox"]
AUTHORS = {
    "critic_learning_rate": 1e-3,
    "critic_mini_batches": None,
    "critic_warmup_steps": 0,
    "critic_lam": 0.95,
    "critic_scaling": False,
    "missing_eos_penalty": -1.0,
    "missing_eos": "replace",
}
"""The critic and the penalty of the authors' code: one step size, raw units, no head start."""
SAMPLING = Sampling(length=9, temperature=1.0, stops=(1,), pad=0, batch_size=8)


class CountScorer:
    """A reward that needs no model: half a point for each even byte."""

    def score(self, answers):
        return torch.tensor([0.5 * sum(i % 2 == 0 for i in a.ids) for a in answers])


def tiny_models(kind="llama", seed=0) -> Models:
    critic = Critic(tiny_model(kind, seed + 1).base_model, 16)
    with torch.no_grad():  # a head of zeros would hide what the critic's backbone does
        critic.head.weight.normal_(generator=torch.Generator().manual_seed(3))
    policy = tiny_model(kind, seed)
    for network in (policy, critic):
        settle(network, checkpointing=False)
    return Models(
        policy=policy,
        frozen=tiny_model(kind, seed + 2),
        critic=critic,
        reward=CountScorer(),
        learned=None,
        gold=None,
        vocabulary=Vocabulary.of(make_byte_tokenizer()),
        precision=Precision(torch.device("cpu")),
        context=128,
    )


def episodes(generator, contexts=(3, 9, 1, 5, 12, 2, 7, 4), answers=(9, 1, 4, 9, 2, 6, 3, 8)):
    """Episodes of random tokens: contexts padded on the left, answers on the right."""

    def tokens(n: int) -> list[int]:
        return torch.randint(2, 258, (n,), generator=generator).tolist()

    written = [[*tokens(n - 1), 1 if n < 9 else 40] for n in answers]
    return pack([tokens(n) for n in contexts], written, SAMPLING)


def config(**settings):
    from pathlib import Path

    values = {"episodes_per_update": 8, "learning_rate": 1e-3, **AUTHORS}
    return toy_config(Path("p"), Path("r"), **(values | settings))


def gradients(models, rollout, old, credit, minibatch, asked):
    """Both networks' gradients of one minibatch, and the sums for the metrics."""
    sums = policy_gradients(models, rollout, old, credit, minibatch, asked, 0.1)
    of_critic = critic_gradients(models.critic, models, rollout, old, credit, minibatch, asked)
    return sums | {f"critic_{name}": value for name, value in of_critic.items()}


def prepared(models: Models, rollout: Rollout, asked):
    epochs = split_minibatches(rollout, asked, 0)
    old = old_policy_stats(models, rollout, epochs, asked)
    scores = torch.linspace(-1, 1, len(rollout.tokens))
    return epochs, old, assign_credit(scores, old, rollout.acted, asked, 0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_the_first_ratio_is_exactly_one(kind, chunk, generator):
    asked = config(micro_batch_size=chunk, num_ppo_epochs=1, temperature=0.7)
    models = tiny_models(kind)
    for shape in (
        {},  # padded on both sides
        {"answers": (4,) * 8},  # on the left only
        {"contexts": (4,) * 8},  # on the right only
    ):
        rollout = episodes(generator, **shape)
        epochs, old, credit = prepared(models, rollout, asked)
        frozen = torch.optim.SGD(models.trained().values(), lr=0.0)
        metrics = learn(models, frozen, rollout, old, credit, epochs, asked, 0.1)
        metrics |= learn_critic(models, frozen, rollout, old, credit, epochs[0], asked)
        assert metrics["val/ratio"] == 1.0
        assert metrics["val/ratio_var"] == 0.0
        assert metrics["policy/approxkl_avg"] == 0.0
        assert metrics["policy/clipfrac_avg"] == metrics["val/clipfrac_avg"] == 0.0


def test_the_first_ratio_is_exactly_one_in_every_minibatch(generator):
    asked = config(micro_batch_size=3, num_ppo_epochs=1, num_mini_batches=4)
    models, rollout = tiny_models(), episodes(generator)
    epochs, old, credit = prepared(models, rollout, asked)
    assert len(epochs[0]) == 4
    frozen = torch.optim.SGD(models.trained().values(), lr=0.0)
    assert learn(models, frozen, rollout, old, credit, epochs, asked, 0.1)["val/ratio"] == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_prefix_padding_and_what_follows_the_end_get_exactly_no_gradient(kind, generator):
    models, rollout, asked = tiny_models(kind), episodes(generator), config(micro_batch_size=8)
    epochs, old, credit = prepared(models, rollout, asked)
    seen: dict[str, torch.Tensor] = {}

    def keep(name):
        def hook(_module, _inputs, output):
            output.retain_grad()
            seen[name] = output

        return hook

    head = models.policy.get_output_embeddings()
    hooks = [
        head.register_forward_hook(keep("logits")),
        models.critic.head.register_forward_hook(keep("values")),
    ]
    gradients(models, rollout, old, credit, epochs[0][0], asked)
    for hook in hooks:
        hook.remove()
    chosen = int(rollout.acted.sum())
    for name, output in seen.items():
        # Nothing but what a choice follows is read by a head at all.
        assert output.numel() == chosen * (output.shape[-1] if name == "logits" else 1), name
        assert (output.grad.abs().sum(-1) > 0).all(), name


@pytest.mark.parametrize("kind", KINDS)
def test_logits_in_blocks_give_the_gradient_and_the_measurements_of_all_at_once(
    kind, generator, monkeypatch
):
    found = []
    for most in (2**24, 3 * 300):
        monkeypatch.setattr(scoring, "LOGITS", most)
        models, rollout, asked = tiny_models(kind), episodes(generator.manual_seed(0)), config()
        asked = asked.replace(kl_estimator="exact", temperature=0.7)
        epochs, old, credit = prepared(models, rollout, asked)
        learned = gradients(models, rollout, old, credit, epochs[0][0], asked)
        assert learned["ratio_excess"] == 0.0
        grads = {name: weight.grad for name, weight in models.trained().items()}
        found.append((old.log_probs, old.kl, old.entropy, grads))
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_whole_rows_one_at_a_time(kind, generator):
    """The plain path: no padding, no choice of places, every logit computed."""
    models, rollout, asked = tiny_models(kind), episodes(generator), config(temperature=0.7)
    epochs, old, credit = prepared(models, rollout, asked)
    gradients(models, rollout, old, credit, epochs[0][0], asked)
    found = {name: weight.grad.clone() for name, weight in models.trained().items()}
    for weight in models.trained().values():
        weight.grad = None
    tokens = int(rollout.acted.sum())
    for row in range(8):
        ids = rollout.tokens[row][rollout.real[row]]
        count = int(rollout.acted[row].sum())
        logits = models.policy(ids[None]).logits[0, -count - 1 : -1] / 0.7
        logs = logits.log_softmax(-1)[range(count), ids[-count:]]
        hidden = models.critic.backbone(ids[None]).last_hidden_state[0, -count - 1 : -1]
        values = models.critic.head(hidden)[:, 0]
        torch.testing.assert_close(logs, old.log_probs[row, :count], atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(values, old.values[row, :count], atol=2e-5, rtol=1e-4)
        gain, target = credit.advantages[row, :count], credit.returns[row, :count]
        ratio = (logs - logs.detach()).exp()  # 1, and what PPO differentiates at its first step
        missed = 0.5 * (values - target) ** 2
        ((missed - gain * ratio).sum() / tokens).backward()
    for name, weight in models.trained().items():
        scale = float(weight.grad.abs().max())
        torch.testing.assert_close(found[name], weight.grad, atol=1e-5 * scale, rtol=1e-3)


def test_what_stands_in_masked_places_changes_nothing(generator):
    """KL, GAE and whitening see the chosen tokens only: junk after the end leaves no trace."""
    models, rollout, asked = tiny_models(), episodes(generator), config(whiten_rewards=True)
    _, old, credit = prepared(models, rollout, asked)
    scores = torch.linspace(-1, 1, 8)
    junk = torch.where(rollout.acted, 0.0, math.nan)
    spoiled = replace(
        old, log_probs=old.log_probs + junk, kl=old.kl + junk, values=old.values + junk
    )
    again = assign_credit(scores, spoiled, rollout.acted, asked, 0.1)
    for name in ("advantages", "returns"):
        assert torch.equal(getattr(again, name), getattr(credit, name)), name
    assert (old.kl[~rollout.acted] == 0).all()


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_the_gradient_is_the_same_for_every_micro_batch_split(chunk, generator):
    models, rollout = tiny_models(), episodes(generator)
    whole = config(micro_batch_size=8)
    _, old, credit = prepared(models, rollout, whole)

    def gradient(asked):
        for weight in models.trained().values():
            weight.grad = None
        split = split_minibatches(rollout, asked, 0)[0][0]
        gradients(models, rollout, old, credit, split, asked)
        return {name: weight.grad.clone() for name, weight in models.trained().items()}

    expected = gradient(whole)
    for name, value in gradient(config(micro_batch_size=chunk)).items():
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(value, expected[name], atol=1e-5 * scale, rtol=1e-4)


def test_every_chosen_token_weighs_the_same(generator):
    """The minibatch loss is the mean over tokens, not over rows or chunks."""
    models, rollout = tiny_models(), episodes(generator)
    asked = config(micro_batch_size=2)
    epochs, old, credit = prepared(models, rollout, asked)
    sums = gradients(models, rollout, old, credit, epochs[0][0], asked)
    assert sums["tokens"] == 9 + 1 + 4 + 9 + 2 + 6 + 3 + 8
    # On the first pass the ratio is 1, so the loss is minus the mean advantage: zero, whitened.
    assert sums["policy_loss"] / sums["tokens"] == pytest.approx(0.0, abs=1e-6)


def rectangle(prompts, answers):
    """Rows in order of length, padded at the end; the places choices follow, and the choices."""
    order = sorted(range(8), key=lambda i: (len(prompts[i]) + len(answers[i]), i))
    tokens = torch.zeros(8, len(prompts[order[-1]]) + len(answers[order[-1]]) - 1, dtype=torch.long)
    follows = torch.zeros(tokens.shape, dtype=torch.bool)
    acted = torch.zeros(8, max(map(len, answers)), dtype=torch.bool)
    for line, i in enumerate(order):
        whole = [*prompts[i], *answers[i]][:-1]
        tokens[line, : len(whole)] = torch.tensor(whole)
        follows[line, len(prompts[i]) - 1 : len(whole)] = True
        acted[line, : len(answers[i])] = True
    return order, tokens, follows, acted


def plain_ppo(models: Models, prompts, asked, updates):
    """PPO from the textbook: no resets, no chunks, no options. Returns the policy it ends with."""
    policy, start, critic = models.policy, models.frozen, models.critic
    parameters = [*policy.parameters(), *critic.parameters()]
    adam = torch.optim.AdamW(parameters, lr=1.0, eps=1e-5, weight_decay=0.0, fused=True)
    for step in range(updates):
        rows = [prompts[i] for i in batch_rows(len(prompts), 8, asked.run.seed, step)]
        draws = torch.rand(
            8, 8, dtype=torch.float64, generator=generator_for(asked.run.seed, step, "sampling")
        )
        answers = [write(policy, row, draws[i]) for i, row in enumerate(rows)]
        scores = torch.tensor([0.5 * sum(t % 2 == 0 for t in a) for a in answers])
        scores = torch.where(torch.tensor([a[-1] == 1 for a in answers]), scores, -1.0)

        order, tokens, follows, acted = rectangle(rows, answers)
        taken = torch.tensor([token for i in order for token in answers[i]])

        def by_row(values, acted=acted):
            return torch.zeros(acted.shape).masked_scatter(acted, values)

        def logs(model, tokens=tokens, follows=follows, taken=taken, by_row=by_row):
            hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
            logs = model.lm_head(hidden[follows]).log_softmax(-1)
            return by_row(logs.gather(-1, taken[:, None])[:, 0])

        def foresee(tokens=tokens, follows=follows, by_row=by_row):
            hidden = critic.backbone(input_ids=tokens, use_cache=False).last_hidden_state
            return by_row(critic.head(hidden[follows])[:, 0])

        with torch.no_grad():
            old = logs(policy)
            log_ratio = torch.where(acted, old - logs(start), 0.0)
            values = torch.where(acted, foresee(), 0.0)
            rewards = torch.where(acted, -asked.kl.kl_coef * log_ratio, 0.0)
            for line, i in enumerate(order):
                rewards[line, len(answers[i]) - 1] += scores[i]
            advantages = torch.zeros_like(rewards)
            running = next_value = torch.zeros(8)
            for t in reversed(range(acted.shape[1])):
                error = rewards[:, t] + 1.0 * next_value - values[:, t]
                running = torch.where(acted[:, t], error + 1.0 * 0.95 * running, 0.0)
                next_value = values[:, t]
                advantages[:, t] = running
            returns = torch.where(acted, advantages + values, 0.0)
            # Whitened in the order in which the episodes were drawn.
            drawn = torch.tensor(order).argsort()
            mean = advantages[drawn].sum() / acted.sum()
            spread = torch.where(acted, (advantages - mean) ** 2, 0.0)[drawn]
            variance = spread.sum() / (acted.sum() - 1)
            gains = torch.where(acted, (advantages - mean) * torch.rsqrt(variance + 1e-8), 0.0)

        for group in adam.param_groups:
            group["lr"] = asked.ppo.learning_rate * (1 - step / updates)
        for _ in range(2):
            adam.zero_grad()
            ratio = torch.where(acted, logs(policy) - old, 0.0).exp()
            worse = torch.maximum(-gains * ratio, -gains * ratio.clamp(1 - 0.2, 1 + 0.2))
            now = torch.where(acted, foresee(), 0.0)
            near = values + (now - values).clamp(-0.2, 0.2)
            missed = torch.maximum((now - returns) ** 2, (near - returns) ** 2)
            policy_part = torch.where(acted, worse, 0.0).sum()
            value_part = 0.5 * torch.where(acted, missed, 0.0).sum()
            ((policy_part + value_part) / int(acted.sum())).backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            torch.nn.utils.clip_grad_norm_(critic.parameters(), 1.0)
            adam.step()
    return policy


def plain_rloo(models: Models, prompts, asked, updates, k):
    """RLOO from the textbook: k answers a prompt, each held against the others' mean."""
    policy, start = models.policy, models.frozen
    adam = torch.optim.AdamW(policy.parameters(), lr=1.0, eps=1e-5, weight_decay=0.0, fused=True)
    for step in range(updates):
        rows = batch_rows(len(prompts), 8 // k, asked.run.seed, step)
        rows = [prompts[i] for i in rows for _ in range(k)]
        draws = torch.rand(
            8, 8, dtype=torch.float64, generator=generator_for(asked.run.seed, step, "sampling")
        )
        answers = [write(policy, row, draws[i]) for i, row in enumerate(rows)]
        scores = torch.tensor([0.5 * sum(t % 2 == 0 for t in a) for a in answers])
        scores = torch.where(torch.tensor([a[-1] == 1 for a in answers]), scores, scores - 1.0)
        order, tokens, follows, acted = rectangle(rows, answers)
        taken = torch.tensor([token for i in order for token in answers[i]])

        def logs(model, tokens=tokens, follows=follows, taken=taken, acted=acted):
            hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
            logs = model.lm_head(hidden[follows]).log_softmax(-1)
            logs = logs.gather(-1, taken[:, None])[:, 0]
            return torch.zeros(acted.shape).masked_scatter(acted, logs)

        with torch.no_grad():
            old = logs(policy)
            rewards = torch.where(acted, -asked.kl.kl_coef * (old - logs(start)), 0.0)
            for line, i in enumerate(order):
                rewards[line, len(answers[i]) - 1] += scores[i]
            totals = rewards.sum(1)[torch.tensor(order).argsort()].reshape(-1, k)
            others = (totals.sum(1, keepdim=True) - totals) / (k - 1)
            gains = (totals - others).flatten()[torch.tensor(order)]
            gains = torch.where(acted, gains[:, None].expand_as(old), 0.0)
        for group in adam.param_groups:
            group["lr"] = asked.ppo.learning_rate * (1 - step / updates)
        for _ in range(2):
            adam.zero_grad()
            ratio = torch.where(acted, logs(policy) - old, 0.0).exp()
            worse = torch.maximum(-gains * ratio, -gains * ratio.clamp(1 - 0.2, 1 + 0.2))
            (torch.where(acted, worse, 0.0).sum() / int(acted.sum())).backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            adam.step()
    return policy


@pytest.mark.parametrize("k", [2, 4])
def test_without_resets_rloo_is_plain_rloo_bit_for_bit(k, byte_tokenizer, tmp_path):
    asked = config(
        advantage="rloo",
        group_size=k,
        reset_prob=0.0,
        updates=3,
        micro_batch_size=8,
        num_ppo_epochs=2,
        missing_eos_penalty=1.0,
        missing_eos="subtract",
    )
    pairs = toy_pairs(10)
    ours, theirs = replace(tiny_models(), critic=None), tiny_models()
    for models in (ours, theirs):
        with torch.no_grad():  # end tokens must be drawn now and then
            models.policy.lm_head.weight[1] *= 4.0
    train(ours, pairs, pairs, asked, RecordingObserver(), checkpoint_dir=tmp_path)
    prompts = [byte_tokenizer(pair.prompt)["input_ids"] for pair in pairs]
    plain = plain_rloo(theirs, prompts, asked, 3, k)
    begun = tiny_model("llama").state_dict()
    for (name, ours_now), theirs_now in zip(
        ours.policy.state_dict().items(), plain.state_dict().values(), strict=True
    ):
        assert torch.equal(ours_now, theirs_now), name
        assert not torch.equal(ours_now, begun[name]), name


def write(policy, prompt, draws):
    """Sample one answer, one token at a time, everything recomputed."""
    tokens = list(prompt)
    for uniform in draws:
        with torch.no_grad():
            logits = policy(torch.tensor([tokens])).logits[0, -1]
        probs = logits.double().softmax(-1)
        tokens.append(int((probs.cumsum(-1) <= uniform).sum()))
        if tokens[-1] == 1:
            break
    return tokens[len(prompt) :]


@pytest.mark.parametrize("method", ["ppo", "drpo"])
def test_without_resets_it_is_plain_ppo_bit_for_bit(method, byte_tokenizer, tmp_path):
    asked = config(method=method, reset_prob=0.0, updates=3, micro_batch_size=8, num_ppo_epochs=2)
    pairs = toy_pairs(10)
    ours, theirs = tiny_models(), tiny_models()
    for models in (ours, theirs):
        with torch.no_grad():  # end tokens must be drawn now and then
            models.policy.lm_head.weight[1] *= 4.0
    listener = RecordingObserver()
    train(ours, pairs, pairs, asked, listener, checkpoint_dir=tmp_path)
    prompts = [byte_tokenizer(pair.prompt)["input_ids"] for pair in pairs]
    plain = plain_ppo(theirs, prompts, asked, updates=3)
    assert sum(listener.metrics_at[step]["val/num_eos_tokens"] for step in (1, 2, 3)) > 0
    begun = tiny_model("llama").state_dict()
    for (name, ours_now), theirs_now in zip(
        ours.policy.state_dict().items(), plain.state_dict().values(), strict=True
    ):
        assert torch.equal(ours_now, theirs_now), name
        assert not torch.equal(ours_now, begun[name]), name


def test_the_logged_kl_is_the_trained_kl(tmp_path, model_folder, reward_folder):
    for estimator in ("k1", "exact"):
        asked = toy_config(
            model_folder(), reward_folder, kl_estimator=estimator, learning_rate=1e-2, kl_coef=0.3
        )
        listener = RecordingObserver()
        models = load_models(asked)
        folder = tmp_path / estimator
        train(models, toy_pairs(12), toy_pairs(6, 90), asked, listener, checkpoint_dir=folder)
        metrics = listener.metrics_at[4]
        assert metrics["objective/kl"] != 0
        cost = -0.3 * metrics["objective/kl"]
        assert metrics["objective/non_score_reward"] == pytest.approx(cost, rel=1e-5)
        kept = [s.kl for s in listener.kept_samples if s.kind == "episode" and s.step == 4]
        assert sum(kept) / len(kept) == pytest.approx(metrics["objective/kl"], rel=1e-4)
        assert metrics["objective/rlhf_reward"] == pytest.approx(metrics["objective/scores"] + cost)
