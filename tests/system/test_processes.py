"""Started modules write where they are told to and live apart from who started them, or do not."""

import os
import subprocess

import pytest

from drpo.system.processes import start_module

SCRIPT = """
import os, sys
print("heard", sys.stdin.read(), *sys.argv[1:], os.environ["COLOUR"], flush=True)
print("own session" if os.getsid(0) == os.getpid() else "same session", file=sys.stderr)
"""


@pytest.fixture
def talker(tmp_path, monkeypatch):
    """A module that says what it was given."""
    (tmp_path / "talker.py").write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    return "talker"


def test_a_logged_module_has_a_session_of_its_own_and_adds_to_its_log(tmp_path, talker):
    log = tmp_path / "talker.log"
    log.write_text("earlier\n", encoding="utf-8")
    child = start_module(talker, "a", "b", log=log, environment={"COLOUR": "red"})
    assert child.wait(timeout=60) == 0
    assert log.read_text(encoding="utf-8") == "earlier\nheard  a b red\nown session\n"


def test_a_module_without_a_log_speaks_through_pipes(talker):
    environment = {"COLOUR": "blue"}
    with start_module(talker, stdin=subprocess.PIPE, environment=environment) as child:
        out, err = child.communicate(b"a secret", timeout=60)
    assert (out, err) == (b"heard a secret blue\n", b"same session\n")
