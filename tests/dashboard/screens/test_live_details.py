"""Behind the answer on Live: what a run's settings became, and the machine it runs on."""

import io
import json
import math
import os
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
import screen_material
import streamlit as st
from screens import problems, shown, visit

from drpo.analysis.metric_series import Feed
from drpo.cli import main
from drpo.dashboard.screens.live import details_view
from drpo.system import processes

LISTED = """\
0, GPU-11111111-aaaa, 37, 20480, 81559
1, GPU-22222222-bbbb, [N/A], [Not Supported], 97871
"""


@pytest.fixture(autouse=True)
def _machine_not_cached():
    st.cache_data.clear()
    yield
    st.cache_data.clear()


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A tool of that name that prints what the real one does; its path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/asked\ncat <<'END'\n{LISTED}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tool


def test_the_settings_as_json_say_what_was_turned_as_the_command_line_does(store, capsys):
    run = screen_material.add_run(store, "mine", updates=15)
    told = json.loads(details_view.settings_json(run))
    with pytest.raises(SystemExit) as ended:
        main(["show", run.id, "--json"])
    assert ended.value.code == 0
    shown_there = json.loads(capsys.readouterr().out)
    assert told == {name: shown_there[name] for name in ("run", "config", "knobs")}
    assert [(knob["name"], knob["step"], knob["who"]) for knob in told["knobs"]] == [
        ("kl_coef", 12, "analyst")
    ]


def test_the_settings_on_screen_say_what_was_turned(store):
    run = screen_material.add_run(store, "mine", updates=15)
    app = visit("live", run=run.id, view="config")
    assert problems(app) == []
    assert "Changed in mid-run: kl_coef 0.20 → 0.30 at update 12." in shown(app)


def test_what_nvidia_smi_lists_is_read_and_what_it_does_not_tell_is_no_number():
    first, second = processes.read_gpu_use(LISTED)
    assert (first.index, first.uuid) == ("0", "GPU-11111111-aaaa")
    assert (first.use, first.used, first.total) == (0.37, 20480 * 2**20, 81559 * 2**20)
    assert math.isnan(second.use)
    assert math.isnan(second.used)
    assert second.total == 97871 * 2**20
    assert processes.read_gpu_use("No devices were found\n") == []
    assert processes.read_gpu_use("") == []


def test_the_machine_view_shows_use_and_memory_of_the_run_s_gpu(store, nvidia_smi, tmp_path):
    assert nvidia_smi.exists()
    run = screen_material.add_run(store, "mine", updates=5)
    store.runs.change(run.id, device="cuda:0")
    app = visit("live", run=run.id, view="machine")
    assert problems(app) == []
    tiles = {tile.label: tile.value for tile in app.metric}
    assert tiles["GPU 0"] == "37\N{NARROW NO-BREAK SPACE}%"
    # 20480 and 81559 MiB in units of a thousand.
    assert tiles["Memory of GPU 0"].replace("\N{NARROW NO-BREAK SPACE}", " ") == "21.5 GB / 85.5 GB"
    assert "GPU 1" not in tiles
    asked = (tmp_path / "asked").read_text()
    assert "index,uuid,utilization.gpu,memory.used,memory.total" in asked
    assert "nounits" in asked


def test_a_run_without_a_gpu_of_its_own_shows_all_and_untold_figures_are_dashes(store, nvidia_smi):
    assert nvidia_smi.exists()
    run = screen_material.add_run(store, "mine", updates=5)
    app = visit("live", run=run.id, view="machine", lang="ja")
    assert problems(app) == []
    tiles = {tile.label: tile.value for tile in app.metric}
    assert (tiles["GPU 1"], tiles["GPU 1 のメモリ"]) == ("–", "–")
    assert "GPU 0" in tiles


def test_a_machine_without_a_gpu_says_so(store, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    run = screen_material.add_run(store, "mine", updates=5)
    app = visit("live", run=run.id, view="machine")
    assert problems(app) == []
    assert "No NVIDIA GPU here" in shown(app)
    assert not [tile for tile in app.metric if "GPU" in tile.label]


def test_an_nvidia_smi_that_hangs_holds_nothing_up(nvidia_smi):
    nvidia_smi.write_text("#!/bin/sh\nexec sleep 30\n")
    began = time.monotonic()
    assert processes.gpu_use(timeout=0.2) == []
    assert time.monotonic() - began < 10


def test_the_processor_is_measured_on_the_first_look_too(store):
    run = screen_material.add_run(store, "mine", updates=5)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        app = visit("live", run=run.id, view="machine")
    finally:
        busy.kill()
        busy.wait()
    assert problems(app) == []
    [tile] = [tile.value for tile in app.metric if tile.label == "Processor"]
    # One of so many cores, or nearly: other programs may want it too.
    assert int(tile.split("\N{NARROW NO-BREAK SPACE}")[0]) > 20 / psutil.cpu_count()


def test_the_table_of_all_metrics_keeps_a_stages_steps_apart_from_the_policys(store):
    run = screen_material.add_run(store, "one", updates=4)
    store.metrics.append(run.id, 2, {"rm/loss": 0.5})
    table = pd.read_csv(io.StringIO(details_view._csv(Feed(store, run.id).refresh())))
    assert set(table["clock"]) == {"rm", "update"}
    [row] = table[table["clock"] == "rm"].to_dict("records")
    assert (row["step"], row["rm/loss"]) == (2, 0.5)
    assert math.isnan(row["eval/scores"])
    assert table[table["clock"] == "update"]["rm/loss"].isna().all()
    assert details_view._csv(Feed(store, "nobody").refresh()) == ""
