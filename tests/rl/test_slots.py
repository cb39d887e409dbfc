"""Writing in slots: the answers of a naive loop, whatever stood in a slot before, in few steps."""

import random

import pytest
import torch
from conftest import tiny_model
from test_rollout import CONTEXTS, GIVEN, KINDS, STOPS, Calls, naive_finish, noise, sampling
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from drpo.modeling.forward_pass import Precision
from drpo.rl.plain_decoding import write_in_batches
from drpo.rl.rollout import finish
from drpo.rl.sampling import Asked
from drpo.rl.slots import CARD, PROCESSOR, Slots, decodes_in_slots, waiting_slots

CPU = Precision(torch.device("cpu"))
PACES = [CARD, PROCESSOR]
"""A card's pace shows on the processor, without a graph, that no step needs to know what ended."""


def asked_of(count, generator, *, longest=9, room=10):
    """Rows of all lengths: single tokens, whole groups with one context, rooms of one token."""
    draw, contexts, rooms = random.Random(0), [], []
    while len(contexts) < count:
        context = [draw.randrange(30, 258) for _ in range(draw.randint(1, longest))]
        group = draw.choice([1, 1, 1, 4])
        contexts += [context] * group
        rooms += [draw.choice([1, draw.randint(1, room), room])] * group
    draws = torch.rand(count, room, generator=generator, dtype=torch.float64)
    return Asked(contexts[:count], rooms[:count], draws)


def written(model, asked, pace, *, dtype=torch.float32, tick=lambda _: None, **changed):
    with torch.no_grad(), Precision(CPU.device, dtype).autocast():
        return Slots(model, asked, sampling(**changed), pace).write(tick)


def naive(model, asked, temperature=0.7):
    return [
        naive_finish(model, context, room, draws, temperature)[0]
        for context, room, draws in zip(asked.contexts, asked.rooms, asked.noise, strict=True)
    ]


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize(
    ("kind", "extra"), [*((kind, {}) for kind in KINDS), ("llama", {"num_key_value_heads": 1})]
)
def test_each_row_of_many_is_written_as_if_alone(kind, extra, pace, generator):
    model, asked = tiny_model(kind, **extra), asked_of(24, generator)
    assert decodes_in_slots(model)
    expected = naive(model, asked)
    # Three slots: each is used eight times, after longer and after shorter rows.
    assert written(model, asked, pace, batch_size=3) == expected
    ended = [len(one) < room for one, room in zip(expected, asked.rooms, strict=True)]
    assert any(ended)
    assert not all(ended)


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("slots", [1, 23, 100])
def test_an_answer_depends_on_no_number_of_slots(slots, pace, generator):
    model, asked = tiny_model("llama"), asked_of(24, generator)
    with torch.no_grad():
        expected = write_in_batches(model, asked, sampling(), lambda _: None)
    assert written(model, asked, pace, batch_size=slots) == expected


@pytest.mark.parametrize("pace", PACES)
def test_a_freed_slot_is_filled_and_steps_are_few(pace, generator):
    model, rows, slots = tiny_model("llama"), 48, 4
    contexts = [[40 + row, 50] for row in range(rows)]
    draws = torch.rand(rows, 48, generator=generator, dtype=torch.float64)
    asked = Asked(contexts, [48] * rows, draws)
    calls, told = Calls(model), []
    found = written(
        model, asked, pace, batch_size=slots, stops=tuple(range(1, 20)), tick=told.append
    )
    lengths = sorted(map(len, found))
    assert lengths[0] < 4
    assert lengths[-1] > 3 * lengths[rows // 2], "of very different lengths"
    steps = sum(shape[1] == 1 for shape in calls.shapes)
    # The first token comes with the context. At the end slots wait for the longest answer; on a
    # card each answer's end is seen half of `asked_every` late.
    ideal = sum(length - 1 for length in lengths) / slots
    late = rows / slots * (pace.asked_every - 1) / 2
    assert ideal <= steps <= 1.1 * ideal + lengths[-1] + late
    by_batch = sum(max(map(len, found[at : at + slots])) for at in range(0, rows, slots))
    assert steps < 0.75 * by_batch
    reads = [shape for shape in calls.shapes if shape[1] > 1]
    # The first fills the slots, the others bring at least as many rows as may wait.
    assert len(reads) <= 1 + -(-(rows - slots) // waiting_slots(slots, rows))
    assert sum(shape[0] for shape in reads) == rows
    assert told == sorted(told)
    assert told[-1] == rows


def test_a_processor_leaves_slots_out_that_nobody_needs(generator):
    model, asked = tiny_model("llama"), asked_of(12, generator)
    calls = Calls(model)
    found = written(model, asked, PROCESSOR, batch_size=12)
    # The first call reads the contexts, and with them the first token is drawn.
    taken = sum(rows for rows, columns in calls.shapes[1:] if columns == 1)
    assert taken == sum(len(one) - 1 for one in found), "no step for an answer that has ended"


def test_rows_of_one_context_are_read_once(generator):
    model, draws = tiny_model("llama"), noise(generator)
    same = [CONTEXTS[0]] * 3 + [CONTEXTS[1]] * 2
    calls, asked = Calls(model), Asked(same, [5] * 5, draws)
    found = written(model, asked, CARD, batch_size=5)
    assert calls.shapes[0] == (2, 3)
    assert set(calls.shapes[1:]) == {(5, 1)}
    assert found == naive(model, asked)


def test_a_step_moves_no_tensor(generator):
    model, asked = tiny_model("llama"), asked_of(24, generator)
    slots, places = Slots(model, asked, sampling(batch_size=4), CARD), set()
    step = slots._step

    def noting():
        step()
        state = [value for value in vars(slots).values() if isinstance(value, torch.Tensor)]
        kept = [tensor for layer in slots.cache.layers for tensor in (layer.keys, layer.values)]
        places.add(tuple(tensor.data_ptr() for tensor in [*state, *kept]))

    slots._step = noting
    with torch.no_grad():
        slots.write(lambda _: None)
    assert len(places) == 1, "or a graph would read and write where nobody looks any more"
    # As many columns as the longest context and answer together, no more.
    widest = max(len(c) + room for c, room in zip(asked.contexts, asked.rooms, strict=True))
    assert slots.cache.layers[0].keys.shape == (4 + waiting_slots(4, 24), 2, widest, 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_runs_in_half_precision(kind, dtype, generator):
    rooms = [9 - given for given in GIVEN]
    asked = Asked(CONTEXTS, rooms, noise(generator))
    found = written(tiny_model(kind), asked, CARD, dtype=dtype)
    for answer, room in zip(found, rooms, strict=True):
        assert 0 < len(answer) <= room
        assert len(answer) == room or answer[-1] in STOPS


def test_nothing_is_drawn_in_advance_at_temperature_0(generator):
    model, asked = tiny_model("gpt2"), asked_of(20, generator)
    one = written(model, asked, CARD, temperature=0.0)
    two = written(model, asked, PROCESSOR, temperature=0.0)
    assert one == two


def test_models_that_fit_no_slots_write_in_batches(generator):
    wide = {
        "vocab_size": 258,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "initializer_range": 0.2,
    }
    sliding = MistralForCausalLM(MistralConfig(**wide, sliding_window=3)).eval()
    both = Gemma2ForCausalLM(Gemma2Config(**wide, head_dim=8)).eval()
    turned = tiny_model("llama", rope_parameters={"rope_type": "dynamic", "factor": 2.0})
    for model in (sliding, both, turned):
        assert not decodes_in_slots(model)
    draws = noise(generator)
    rollout = finish(sliding, CONTEXTS, GIVEN, sampling(), draws, precision=CPU)
    rooms = [9 - given for given in GIVEN]
    expected = naive(sliding, Asked(CONTEXTS, rooms, draws))
    for row, answer in enumerate(expected):
        assert rollout.actions[row][rollout.acted[row]].tolist() == answer
