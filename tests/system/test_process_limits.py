"""A process that asks for too much ends with an error of its own, and nothing else with it."""

import subprocess
import sys

import pytest

from drpo.errors import DataError
from drpo.system.limits import free_memory, is_out_of_memory

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit of Linux")


def ended(code):
    begin = (
        "from drpo.system import limits; limits.LEAST = 2**26; limits.free_memory = lambda: 2**27;"
    )
    command = [sys.executable, "-c", begin + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@linux
def test_memory_beyond_what_was_free_is_refused_where_it_is_asked_for():
    found = ended(
        """
limits.limit_this_process()
some = bytearray(2**25)
try:
    more = bytearray(2**28)
except MemoryError as error:
    print(limits.is_out_of_memory(error), len(some))
"""
    )
    assert found.stdout.split() == ["True", str(2**25)], found.stderr


@linux
def test_a_file_too_large_for_the_memory_is_a_sentence_at_a_terminal_too(tmp_path):
    file = tmp_path / "pairs.csv"
    row = f"{'p' * 400},{'a' * 400},{'b' * 400}\n"
    file.write_text("prompt,chosen,rejected\n" + row * 40_000, encoding="utf-8")
    found = ended(
        f"""
import os, sys
os.environ["DRPO_HOME"] = {str(tmp_path / "home")!r}
os.environ.pop("DRPO_DATABASE_URL", None)
sys.argv = ["drpo", "data", "import", {str(file)!r}, "much"]
from drpo.cli import main
main()
"""
    )
    assert found.returncode == 1, found.stderr
    assert "not enough free memory" in found.stderr
    assert "Traceback" not in found.stderr


@linux
@pytest.mark.slow
def test_what_torch_says_of_a_limit_is_known_as_such():
    found = ended(
        """
import torch
limits.limit_this_process()
try:
    torch.ones(2**28)
except RuntimeError as error:
    print(limits.is_out_of_memory(error))
"""
    )
    assert found.stdout.split() == ["True"], found.stderr


def test_a_task_that_never_ends_is_told_when_its_time_is_up():
    found = ended(
        """
limits.limit_this_process(processor_seconds=1)
try:
    while True:
        pass
except limits.LimitError as error:
    print(error)
"""
    )
    assert "more processor time" in found.stdout


def test_free_memory_is_no_more_than_the_machine_has():
    assert 0 < free_memory() < 2**46


def test_a_sentence_of_ours_about_memory_is_left_as_it_is():
    assert not is_out_of_memory(DataError("A GPU that is out of memory takes shorter answers."))
    outer = ValueError("no batch")
    outer.__cause__ = MemoryError()
    assert is_out_of_memory(outer)
