"""What a model's folder would have run is not run: its own code, and what its template reaches."""

import json
import shutil

import pytest
from chat_models import chat_tokenizer

from drpo.errors import ModelError
from drpo.modeling.chat_template import chat_template
from drpo.modeling.model_loading import load_causal

ESCAPES = (
    "{{ cycler.__init__.__globals__.os.system('touch FILE') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.append(1) }}{{ lipsum.__globals__['os'].popen('touch FILE').read() }}",
    "{% include '/etc/passwd' %}",
    "{% import os %}",
)


def test_code_beside_the_weights_is_not_run(model_folder, tmp_path):
    folder, made = tmp_path / "model", tmp_path / "made"
    shutil.copytree(model_folder(), folder)
    settings = json.loads((folder / "config.json").read_text())
    named = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer"), "own.Own")
    (folder / "config.json").write_text(json.dumps(settings | {"auto_map": named}))
    (folder / "own.py").write_text(f"open({str(made)!r}, 'w')\nclass Own: pass\n")
    load_causal(folder)
    assert not made.exists()


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_template_that_reaches_for_python_is_a_sentence(escape, tmp_path):
    made, file = tmp_path / "made", tmp_path / "template.jinja"
    file.write_text(escape.replace("FILE", str(made)))
    with pytest.raises(ModelError, match="cannot write a question"):
        chat_template(chat_tokenizer("smollm2"), "chat", str(file))
    assert not made.exists()
