"""Commands start quickly because they import only what they need."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from drpo.cli.commands import COMMANDS, LazyCommands
from drpo.config.run_config import RunConfig

HEAVY = {
    "torch",
    "transformers",
    "pandas",
    "scipy",
    "numpy",
    "pyarrow",
    "streamlit",
    "plotly",
    "datasets",
    "optuna",
}
LISTING = HEAVY | {"sqlalchemy", "pydantic", "psutil"}
ROOT = Path(__file__).parents[2]


def loaded_by(words):
    """The top-level packages that a command loads, in a process of its own."""
    script = (
        "import json, sys\n"
        "from drpo.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as ended:\n"
        "    names = {name.partition('.')[0] for name in sys.modules}\n"
        "    json.dump({'code': ended.code, 'names': sorted(names)}, sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stderr)
    assert told["code"] == 0, done.stdout
    return set(told["names"]), done.stdout


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("words", [["--help"], ["set", "--help"]])
def test_help_loads_neither_the_store_nor_anything_heavy(words):
    loaded, out = loaded_by(words)
    assert "Usage: " in out
    unwanted = LISTING if words == ["--help"] else HEAVY
    assert not loaded & unwanted


@pytest.mark.parametrize("words", [["runs"], ["show", "RUN"], ["set", "RUN", "kl_coef=0.2"]])
def test_looking_and_steering_load_nothing_heavy(store, words):
    run = store.runs.create(RunConfig.of(data="x", policy="y"))
    loaded, out = loaded_by([run.id if word == "RUN" else word for word in words])
    assert run.id in out
    assert not loaded & HEAVY
    if words[0] == "set":
        assert store.commands.pending(run.id)[0].payload == {"kl_coef": 0.2}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_own_help_begins_with(name):
    command = LazyCommands()[name]
    own = inspect.cleandoc(command.help or "").splitlines()[0]
    assert own == COMMANDS[name].summary


def test_the_measurement_of_starts_works():
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "startup.py"), "--quick"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("--help", "runs", "show", "set"):
        assert f"| `drpo {name}` |" in done.stdout
