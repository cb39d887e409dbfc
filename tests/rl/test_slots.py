"""Decoding with tensors that keep their places writes what decoding with a growing cache writes."""

import pytest
import torch
from conftest import tiny_model
from test_rollout import CONTEXTS, GIVEN, KINDS, STOPS, naive_finish, noise, sampling
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from drpo.modeling.forward_pass import Precision
from drpo.rl.slots import InPlaceDecoder, decodes_in_place, fits_one_cache

CPU = torch.device("cpu")
ROOMS = [9 - given for given in GIVEN]


def written(model, contexts, rooms, draws, dtype=torch.float32, **changed):
    decoder = InPlaceDecoder(model, contexts, sampling(**changed), CPU)
    with torch.no_grad(), Precision(CPU, dtype).autocast():
        decoder.run(rooms, draws)
    return decoder.written


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_a_naive_loop(kind, generator):
    model, draws = tiny_model(kind), noise(generator)
    assert fits_one_cache(model)
    expected = [
        naive_finish(model, context, room, draws[row], 0.7)[0]
        for row, (context, room) in enumerate(zip(CONTEXTS, ROOMS, strict=True))
    ]
    assert written(model, CONTEXTS, ROOMS, draws) == expected
    assert len({len(answer) for answer in expected}) > 2, "some end early, some at their room"


def test_rows_of_one_context_are_read_once(generator):
    model, draws = tiny_model("llama"), noise(generator)
    same = [CONTEXTS[0]] * 3 + [CONTEXTS[1]] * 2
    lengths = []
    handle = model.model.register_forward_pre_hook(
        lambda _body, _args, named: lengths.append(tuple(named["input_ids"].shape)),
        with_kwargs=True,
    )
    found = written(model, same, [5] * 5, draws)
    handle.remove()
    assert lengths[0] == (2, 3)
    assert set(lengths[1:]) == {(5, 1)}
    for row, context in enumerate(same):
        assert found[row] == naive_finish(model, context, 5, draws[row], 0.7)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_runs_in_half_precision(kind, dtype, generator):
    found = written(tiny_model(kind), CONTEXTS, ROOMS, noise(generator), dtype)
    for answer, room in zip(found, ROOMS, strict=True):
        assert 0 < len(answer) <= room
        assert len(answer) == room or answer[-1] in STOPS


def test_nothing_is_drawn_in_advance_at_temperature_0(generator):
    model = tiny_model("gpt2")
    one = written(model, CONTEXTS, ROOMS, noise(generator), temperature=0.0)
    two = written(model, CONTEXTS, ROOMS, noise(generator), temperature=0.0)
    assert one == two


def test_models_that_need_more_than_one_cache_decode_as_before():
    wide = {
        "vocab_size": 50,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    sliding = MistralForCausalLM(MistralConfig(**wide, sliding_window=8))
    both = Gemma2ForCausalLM(Gemma2Config(**wide, head_dim=8))
    turned = tiny_model("llama", rope_parameters={"rope_type": "dynamic", "factor": 2.0})
    for model in (sliding, both, turned):
        assert not fits_one_cache(model)
    assert not decodes_in_place(tiny_model("llama"), CPU), "a processor gains nothing"
