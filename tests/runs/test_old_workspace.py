"""A workspace that version 0.1.0 left behind opens, resumes and links under this one.

What it holds and how it was made stands beside it in `tests/fixtures/workspace_773667e.md`.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from screens import problems, visit

from drpo.runs import worker
from drpo.runs.event_words import describe
from drpo.store import Store
from drpo.system import control

FIXTURE = Path(__file__).parents[1] / "fixtures" / "workspace_773667e.tar.xz"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """The old workspace, unpacked; paths in its settings are relative to the folder it lies in."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRPO_HOME", str(tmp_path / "workspace"))
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def opened(old):  # noqa: ARG001 - the store is that of the workspace
    store = Store()
    yield store
    store.close()


def test_every_run_is_there_with_its_figures_and_what_happened_to_it(old, opened):
    expected = json.loads((old / "expected" / "figures.json").read_text(encoding="utf-8"))["runs"]
    kept = {run.id: run for run in opened.runs.all(limit=100, archived=True)}
    shown = {run_id for run_id, figures in expected.items() if not figures["deleted"]}
    assert set(kept) == shown
    for run_id, run in kept.items():
        figures = expected[run_id]
        assert (run.status, run.step) == (figures["status"], figures["step"]), run_id
        assert len(opened.metrics.since(run_id)) == figures["metrics_rows"], run_id
        assert all(describe(event) for event in opened.events.since(run_id))


def test_a_stopped_run_resumes_and_ends_where_the_straight_one_did(old, opened):
    """Up to the change of the critic's loss (vf_coef) the weights were equal to the last byte."""
    straight = json.loads((old / "expected" / "straight.json").read_text(encoding="utf-8"))
    control.resume(opened, "stopped-766539")
    words = [sys.executable, "-m", "drpo.runs.worker", "stopped-766539"]
    subprocess.run(words, check=True, env=os.environ | straight["environment"])
    run = opened.runs.get("stopped-766539")
    assert (run.status, run.step) == ("finished", 12)
    for run_id in (run.id, straight["run"]):
        worker.export(run_id, old / f"out-{run_id}", opened)
    ours, theirs = (
        load_file(old / f"out-{name}" / "model.safetensors") for name in (run.id, straight["run"])
    )
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, atol=2e-3, rtol=0)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    ("screen", "query"),
    [
        ("live", {"run": "first-look-95dc4c", "step": "2"}),
        ("resets", {"run": "first-look-95dc4c", "step": "3", "from": "reset", "colour": "gold"}),
        ("sweep", {"sweep": "resets-or-not-607a"}),
        ("compare", {"runs": "first-look-95dc4c,k3-22ef02,ppo-bd1e35", "metric": "eval/kl"}),
        ("review", {"view": "result", "review": "review-c05734fc"}),
        ("overview", {"run": "first-look-95dc4c"}),
        ("pilot", {"pilot": "6bbca2d2", "step": "3"}),
        ("report", {"run": "first-look-95dc4c"}),
    ],
)
def test_an_old_link_opens(screen, query):
    assert problems(visit(screen, **query)) == []
