"""The chat judge against `transformers serve`, a real OpenAI-compatible server, on the loopback."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from drpo.evaluation.chat_endpoint import ChatEndpoint, Patience
from drpo.evaluation.chat_judge import ChatJudge
from drpo.evaluation.judges import Match, ScoredAnswer
from drpo.store import Store

TEMPLATE = "{% for message in messages %}{{ message['content'] }} {% endfor %}"


def stubborn_model(folder):
    """A chat model of a few words that always says A and ends: it sees its last word alone."""
    vocabulary = {"<unk>": 0, "<end>": 1, "A": 2, "B": 3, "TIE": 4}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="<unk>",
        eos_token="<end>",
        pad_token="<end>",
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    config = GPT2Config(
        vocab_size=5,
        n_embd=8,
        n_layer=1,
        n_head=1,
        n_positions=1024,
        bos_token_id=1,
        eos_token_id=1,
        tie_word_embeddings=False,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for block in model.transformer.h:
            for projection in (block.attn.c_proj, block.mlp.c_proj):
                projection.weight.zero_()
                projection.bias.zero_()
        model.transformer.wpe.weight.zero_()
        model.transformer.wte.weight.zero_()
        model.transformer.wte.weight[:, 1] = 1.0
        model.transformer.wte.weight[2] = torch.eye(8)[0]
        model.lm_head.weight.zero_()
        model.lm_head.weight[2, 1] = model.lm_head.weight[1, 0] = 5.0
    model.save_pretrained(folder)


@contextlib.contextmanager
def served(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        Path(sys.executable).parent / "transformers",
        "serve",
        str(folder),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--device",
        "cpu",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_up(url, process, log):
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:
            if response.status == 200:
                return
        assert process.poll() is None, log.read_text()[-2000:]
        time.sleep(0.2)
    pytest.fail("the server did not come up: " + log.read_text()[-2000:])


@pytest.mark.slow
def test_transformers_serve_is_asked_in_both_orders_and_its_replies_are_kept(tmp_path):
    folder = tmp_path / "model"
    stubborn_model(folder)
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    matches = [Match(f"request {n}", ScoredAnswer("one"), ScoredAnswer("two")) for n in range(3)]
    with served(folder) as url:
        endpoint = ChatEndpoint(url, str(folder), Patience(timeout=60, attempts=2))
        judge = ChatJudge(endpoint, store.documents, workers=1)
        # It says A whatever A is, so the two orders contradict each other and all are ties.
        assert judge.judge(matches) == ["tie"] * 3
    tally = judge.tally
    assert (tally.calls, tally.failed, tally.unclear, tally.disagreements) == (6, 0, 0, 3)
    assert tally.input_tokens > 0
    # The server is gone; the replies are not.
    again = ChatJudge(endpoint, store.documents)
    assert again.judge(matches) == ["tie"] * 3
    assert again.tally.cached == 6
    store.close()
