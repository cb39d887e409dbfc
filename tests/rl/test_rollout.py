"""Acting and scoring, against a naive loop that recomputes everything one row at a time."""

import pytest
import torch
from conftest import tiny_model
from scipy.stats import chisquare

from drpo.modeling.forward_pass import Precision
from drpo.rl.micro_batches import micro_batch
from drpo.rl.rollout import finish, pack
from drpo.rl.sampling import Sampling, choose
from drpo.rl.scoring import action_logits, entropy_of, picked, tempered

KINDS = ["gpt2", "llama", "gpt_neox"]
CPU = Precision(torch.device("cpu"))
STOPS = (1, *range(2, 30))
"""Many end tokens, so that random models finish some answers early."""
CONTEXTS = [[40, 41, 42], [50], [60, 61, 62, 63, 64, 65], [70, 71], [80, 81, 82, 83]]
GIVEN = [1, 0, 4, 0, 2]


def sampling(**changes):
    values = {"length": 9, "temperature": 0.7, "stops": STOPS, "pad": 0, "batch_size": 2}
    return Sampling(**(values | changes))


def noise(generator):
    return torch.rand(len(CONTEXTS), 9, generator=generator, dtype=torch.float64)


def naive_finish(model, context, room, draws, temperature):
    """One row, no cache, no padding; also the log-probability of each token as it is drawn."""
    tokens, logs = list(context), []
    for t in range(room):
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0, -1].double()
        probs = (logits / temperature).softmax(-1)
        token = int((probs.cumsum(-1) <= draws[t]).sum())
        logs.append(float(probs[token].log()))
        tokens.append(token)
        if token in STOPS:
            break
    return tokens[len(context) :], logs


class Calls:
    """Shapes of what a model's body reads; its head is called through it, too, without a cache."""

    def __init__(self, model):
        self.shapes = []
        model.base_model.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, _body, args, named):
        if named.get("past_key_values") is not None:
            tokens = args[0] if args else named["input_ids"]
            self.shapes.append(tuple(tokens.shape))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_and_log_probs_are_those_of_a_naive_loop(kind, generator):
    model, draws = tiny_model(kind), noise(generator)
    rollout = finish(model, CONTEXTS, GIVEN, sampling(), draws, precision=CPU)
    with torch.no_grad():
        part = micro_batch(rollout, range(len(CONTEXTS)))
        scored = part.by_row(picked(tempered(action_logits(model, part, CPU), 0.7), part.actions))
    ended = []
    for row, (context, given) in enumerate(zip(CONTEXTS, GIVEN, strict=True)):
        expected, logs = naive_finish(model, context, 9 - given, draws[row], 0.7)
        acted = rollout.acted[row]
        assert rollout.actions[row][acted].tolist() == expected
        assert scored[row][acted].tolist() == pytest.approx(logs, abs=1e-4)
        assert bool(rollout.finished[row]) == (expected[-1] in STOPS)
        ended.append(len(expected) < 9 - given)
    assert any(ended)  # or the test shows nothing about rows that leave the batch
    assert not all(ended)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_an_answer_does_not_depend_on_its_batch(generator, batch_size):
    model, draws = tiny_model("llama"), noise(generator)
    base = finish(model, CONTEXTS, GIVEN, sampling(), draws, precision=CPU)
    other = finish(model, CONTEXTS, GIVEN, sampling(batch_size=batch_size), draws, precision=CPU)
    assert torch.equal(base.tokens, other.tokens)
    assert torch.equal(base.real, other.real)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_on_either_side_changes_no_score(kind):
    model = tiny_model(kind)
    written = [[31, 32, 33], [34, 1], [35], [36, 37], [38, 39, 1]]
    together = pack(CONTEXTS, written, sampling())
    logits = action_logits(model, micro_batch(together, range(5)), CPU)
    for row, count in enumerate(map(len, written)):
        alone = action_logits(model, micro_batch(together, [row]), CPU)
        first = sum(map(len, written[:row]))
        torch.testing.assert_close(logits[first : first + count], alone, atol=2e-5, rtol=1e-4)


def test_greedy_answers_are_those_of_transformers():
    model = tiny_model("llama")
    rollout = finish(
        model,
        [CONTEXTS[2]],
        [0],
        sampling(temperature=0.0, stops=(1,)),
        torch.zeros(1, 9, dtype=torch.float64),
        precision=CPU,
    )
    expected = model.generate(
        torch.tensor([CONTEXTS[2]]), max_new_tokens=9, do_sample=False, pad_token_id=0
    )
    assert rollout.actions[0].tolist() == expected[0, 6:].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_one_context_share_its_prefill_and_write_as_if_alone(kind, generator):
    model = tiny_model(kind)
    contexts, given = [CONTEXTS[0]] * 3 + [CONTEXTS[1]] + [CONTEXTS[2]] * 2, [0] * 6
    draws = torch.rand(6, 9, generator=generator, dtype=torch.float64)
    calls = Calls(model)
    together = finish(model, contexts, given, sampling(batch_size=6), draws, precision=CPU)
    assert calls.shapes[0] == (3, 6)
    assert calls.shapes[1][1] == 1
    alone = finish(model, contexts, given, sampling(batch_size=1), draws, precision=CPU)
    assert torch.equal(together.tokens, alone.tokens)
    assert torch.equal(together.real, alone.real)


def test_the_prefix_counts_against_the_length(generator):
    rollout = finish(
        tiny_model("llama"),
        CONTEXTS,
        [8, 0, 7, 3, 5],
        sampling(stops=(1,)),
        noise(generator),
        precision=CPU,
    )
    assert rollout.acted.sum(dim=1).tolist() == [1, 9, 2, 6, 4]


def test_an_end_token_in_the_last_slot_counts_as_finished():
    room = pack([[40], [41], [42]], [[50, 51, 1], [50, 51, 52], [1]], sampling(length=3))
    assert room.finished.tolist() == [True, False, True]


def test_nothing_is_acted_outside_the_chosen_tokens():
    rollout = pack([[40, 41], [42]], [[50], [51, 52, 1]], sampling())
    assert rollout.real.tolist() == [
        [True, True, True, False, False],
        [False, True, True, True, True],
    ]
    assert rollout.acted.tolist() == [[True, False, False], [True, True, True]]
    assert rollout.actions[1].tolist() == [51, 52, 1]


def test_tokens_are_drawn_with_their_probabilities(generator):
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0]).expand(20_000, 4)
    uniform = torch.rand(20_000, generator=generator, dtype=torch.float64)
    counts = choose(logits, uniform, 0.5).bincount(minlength=4)
    expected = (logits[0].double() / 0.5).softmax(-1) * 20_000
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 0.01


def test_impossible_tokens_are_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]] * 3)
    uniform = torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert choose(logits, uniform, 1.0).tolist() == [1, 3, 3]


def test_entropy_is_that_of_the_tempered_distribution():
    logits = torch.tensor([[[0.0, 0.0, -torch.inf], [1.0, 2.0, 3.0]]])
    p = (logits[0, 1] / 2).softmax(-1)
    expected = [torch.log(torch.tensor(2.0)), -(p * p.log()).sum()]
    torch.testing.assert_close(entropy_of(tempered(logits, 2.0))[0], torch.stack(expected))
