"""What a model wrote is shown by a terminal, not obeyed."""

import json

import pytest

from drpo.cli import main
from drpo.cli.output import printable
from drpo.config.run_config import RunConfig
from drpo.types import Sample

ESCAPES = {
    "clears the screen": "\x1b[2J",
    "sets the title": "\x1b]0;gone\x07",
    "writes to the clipboard": "\x1b]52;c;ZWNobw==\x07",
    "goes back over the line": "score 1\rscore 9",
    "takes signs away": "abc\b\b\b",
    "control in one byte": "\x9b31m",
    "turns the line around": "\u202egpj.exe",
    "hides in an isolate": "\u2066x\u2069",
}


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("as_json", [False, True])
def test_samples_hold_no_sign_that_a_terminal_obeys(store, capsys, name, as_json):
    run = store.runs.create(RunConfig.of(data="d", policy="p", name="n"))
    wrote = f"line one\n\tline two {ESCAPES[name]}"
    sample = Sample(1, "heldout", 0, "prompt", wrote, wrote, prefix=wrote)
    store.samples.append(run.id, [sample])
    with pytest.raises(SystemExit) as ended:
        main(["samples", run.id, *(["--json"] if as_json else [])])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert printable(shown) == shown
    if as_json:
        assert json.loads(shown)["samples"][0]["response"] == wrote
    else:
        assert "line one\n\tline two" in shown


def test_an_error_about_a_hostile_name_is_printable(store, capsys):  # noqa: ARG001 - a workspace
    with pytest.raises(SystemExit):
        main(["show", "\x1b]0;gone\x07"])
    complaint = capsys.readouterr().err
    assert printable(complaint) == complaint
