"""A visitor's own dialogues and own model, from the upload to answers on the Live screen."""

import re
import time

import pytest
from conftest import make_byte_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from browser.conftest import launch
from drpo.runs import demo

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (demo.SAMPLES / "files" / "hh_style.jsonl.gz").exists(),
        reason="needs the sample material; `make sample` makes it",
    ),
]
SMALL = {
    "updates": 2,
    "episodes_per_update": 4,
    "eval_prompts": 4,
    "sample_prompts": 2,
    "response_length": 12,
    "rm_epochs": 0.1,
    "eval_every": 1,
}


@pytest.fixture(scope="module")
def model_without_pad(tmp_path_factory):
    """A random model whose tokenizer has an end token and nothing to pad with."""
    folder = tmp_path_factory.mktemp("own") / "my-model"
    shape = LlamaConfig(
        vocab_size=258,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=1,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    plain = make_byte_tokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=plain.backend_tokenizer, eos_token="<end>"
    ).save_pretrained(folder)
    return folder


def test_dialogues_and_a_model_without_a_pad_token_go_through_all_stages(
    server, open_page, model_without_pad
):
    file = demo.SAMPLES / "files" / "hh_style.jsonl.gz"
    run = upload_and_launch(
        open_page, server, file.name, file.read_bytes(), model_without_pad, SMALL, seconds=600
    )
    events = server.store.events.since(run.id)
    assert {"stage", "checkpoint"} <= {event.kind for event in events}
    assert run.summary["last"]["step"] == SMALL["updates"]
    assert server.store.samples.at(run.id, SMALL["updates"], "heldout")


def upload_and_launch(open_page, server, name, content, model, settings, *, seconds):
    """Upload pairs, save them, launch a run on a model's folder without a reward model."""
    page = open_page("/data", height=1400)
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "", "buffer": content}
    )
    page.get_by_text("Can it carry DR-PO?").wait_for()
    page.get_by_label("Name of the data set").fill("dialogues")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved as dialogues, version").wait_for()
    page.get_by_role("button", name="Launch a run with it").first.click()
    page.get_by_role("heading", name="Launch", level=1).wait_for()
    # Nothing of the sample tasks comes along: their held-out pairs would measure another task.
    page.get_by_text("Choose preference pairs and a start policy").wait_for()
    chosen = page.locator(".stMain input[role=combobox]").evaluate_all(
        "all => all.map(x => x.value)"
    )
    assert "dialogues:1" in chosen
    assert not [value for value in chosen if "sample" in value]

    # The settings stand in the link, as they do when somebody passes one on.
    asked = "&".join(f"{setting}={value}" for setting, value in settings.items())
    page.goto(f"{page.url}&{asked}")
    page.get_by_role("heading", name="Launch", level=1).wait_for()
    policy = page.get_by_role("combobox", name=re.compile("Start policy"))
    policy.click()
    policy.fill(str(model))
    policy.press("Enter")
    run = launch(page, server, seconds=seconds)
    page.get_by_text("Finished").first.wait_for()
    page.get_by_text("Held-out prompt 1").wait_for()
    time.sleep(1)
    assert page.failures == []
    return run
