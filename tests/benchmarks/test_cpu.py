"""The benchmark on the processor works; how fast anything is, is nobody's business here."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.cpu import growth, report

ROOT = Path(__file__).parents[2]


def test_the_benchmark_measures_both_workloads_and_the_store():
    words = ["--quick", "--no-peer", "--part", "speed", "store"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cpu", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((ROOT / "build/bench/quick/speed.json").read_text(encoding="utf-8"))
    assert [row["load"]["name"] for row in found["rows"]] == ["A", "B"]
    assert all(update["wall_s"] > 0 for row in found["rows"] for update in row["took"])
    assert all(row["floor"]["gigaflop"] > 0 for row in found["floor"])
    for row in found["floor"]:
        assert abs(sum(row["profile"].values()) - 1) < 0.1
    assert "| store: at least 20,000 metric rows a second in |" in done.stdout


def test_a_figure_is_compared_within_its_pair():
    assert report.ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]
    assert report.spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"


def test_every_point_that_grows_is_measured_with_a_critic_and_without():
    loads = growth.loads()
    assert {load.advantage for load in loads} == {"gae", "rloo"}
    largest = max(map(growth.parameters, loads))
    assert 45 < largest < 55


def test_a_picture_holds_every_curve(tmp_path):
    def row(code, answer, seconds):
        load = {"name": f"answer {answer}", "answer": answer}
        return {
            "code": code,
            "load": load,
            "took": [{"processor_s": 9.0}, {"processor_s": seconds}],
        }

    rows = [row("ours", 16, 0.5), row("ours", 64, 1.0), row("peer", 16, 2.0), row("peer", 64, 5.0)]
    assert growth.curves({"rows": rows}, "answer") == {
        "drpo, gae": [(16.0, 0.5), (64.0, 1.0)],
        "TRL's PPO": [(16.0, 2.0), (64.0, 5.0)],
    }
    sizes = [(axis, n) for axis in ("episodes", "size") for n in (16, 64)]
    for axis, n in sizes:
        load = {"name": f"{axis} {n}", "answer": 8, "width": n, "layers": 2, "episodes": n}
        rows.append(
            {"code": "ours", "load": load, "took": [{"processor_s": 1.0}, {"processor_s": n / 9}]}
        )
    (tmp_path / "growth.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    growth.draw(tmp_path, tmp_path / "pictures")
    drawn = (tmp_path / "pictures/answer.svg").read_text(encoding="utf-8")
    assert drawn.count("<polyline") == 2
