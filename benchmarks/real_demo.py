"""The real demo over seeds: what it takes, what it gains, and what the model writes.

    drpo models add smollm2                # once, in the workspace that DRPO_HOME names
    python -m benchmarks.real_demo         # three seeds, each without resets too; a weak brake
    python -m benchmarks.real_demo --page  # the figures of the runs that are there

Runs are ordinary ones of the workspace, named `real demo, seed N`, `real demo, no resets, seed N`
and `real demo, weak brake`, one after the other; one that is there is not made again. Their workers
are children of this process, whose processor time the system counts. What is written between the
page's marks is made here, nothing else of it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from drpo import metrics
from drpo.alarms.repetition import repetition
from drpo.executors.process import start_worker
from drpo.files import read_json, write_json, write_whole
from drpo.runs.demo import demo_config
from drpo.stats.crossed import mean_over_seeds_and_prompts
from drpo.stats.text_overlap import words
from drpo.store import Store, run_folder
from drpo.store.schema import Run, SampleRow

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "real-demo.md"
BEGIN, END = "<!-- figures: python -m benchmarks.real_demo -->", "<!-- end of figures -->"
TASK, SHOWN, SHOWN_WEAK = "reviews", 10, 4
WEAK: dict[str, Any] = {"kl_coef": 0.0, "updates": 16}
"""The run that shows what the brake is for, also in the page's words."""
WEAK_NAME = "real demo, weak brake"
Z95 = 1.96
COST = "cost.json"
"""In a run's folder: what carrying it out took."""
LOOK_SECONDS = 0.5


def name_of(seed: int) -> str:
    """What the run of a seed is called."""
    return f"real demo, seed {seed}"


def bare_name(seed: int) -> str:
    """What the run of a seed that is never reset is called."""
    return f"real demo, no resets, seed {seed}"


def carry_out(store: Store, name: str, **settings: Any) -> None:  # noqa: ANN401 - RunConfig's
    """Make a run unless it is there."""
    if found(store, name):
        return
    run = store.runs.create(demo_config(TASK, name=name, **settings))
    began, before = time.monotonic(), processor_seconds()
    worker = start_worker(store, run.id, "cpu")
    took: dict[str, float] = {}
    while worker.poll() is None:
        try:
            worker.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if "first" not in took and store.metrics.names(run.id):
                took["first"] = time.monotonic() - began
    took |= {"wall": time.monotonic() - began, "processor": processor_seconds() - before}
    if store.runs.get(run.id).status != "finished":
        raise SystemExit(f"{name} did not finish; `drpo runs` says why.")
    write_json(run_folder(run.id) / COST, took)


def processor_seconds() -> float:
    """What processes that have ended took, all threads together."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def found(store: Store, name: str) -> Run | None:
    """The finished run of a name."""
    runs = store.runs.all(statuses=("finished",))
    return next((run for run in runs if run.name == name), None)


def learned_by(store: Store, name: str) -> str:
    """The reward model of a run that is there."""
    run = found(store, name)
    assert run is not None
    return str(run_folder(run.id) / "models" / "reward_model")


def row_of(store: Store, run: Run) -> str:
    """One line of the seeds' table."""
    before, after = ends(store, run)
    gaps = [float(b.gold or 0) - float(a.gold or 0) for a, b in zip(before, after, strict=True)]
    gap, error = statistics.fmean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5
    first, last = run.summary["first"], run.summary["last"]
    cost, accuracy = read_json(run_folder(run.id) / COST), run.summary["reward_model"]["accuracy"]
    cells = [
        run.name,
        f"{cost['processor']:.0f}",
        f"{cost['wall']:.0f}",
        f"{cost['first']:.0f}",
        f"{100 * accuracy:.0f} %",
        *(f"{interval(first, name)} -> {interval(last, name)}" for name in ("gold", "scores")),
        f"{gap:+.2f} ± {Z95 * error:.2f}",
        f"{gap / error:.1f}",
        interval(last, "kl"),
        f"{share(before)} -> {share(after)}",
    ]
    return f"| {' | '.join(cells)} |"


def with_and_without(store: Store, seeds: list[int]) -> list[str]:
    """Two runs of each seed side by side: the same reward model, prompts and number of episodes."""
    heads = ["seed", "gold with resets", "without", "difference, same prompts"]
    heads += ["KL with, nats per answer", "without", "answers finished with", "without"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    gaps: list[list[float]] = []
    for seed in seeds:
        pair = found(store, name_of(seed)), found(store, bare_name(seed))
        if pair[0] is None or pair[1] is None:
            continue
        answers = [ends(store, run)[1] for run in pair if run is not None]
        gap = [float(a.gold or 0) - float(b.gold or 0) for a, b in zip(*answers, strict=True)]
        gaps.append(gap)
        gold, kl = (
            [mean_of([float(getattr(one, name) or 0) for one in rows]) for rows in answers]
            for name in ("gold", "kl")
        )
        ended = [share(rows) for rows in answers]
        cells = [str(seed), *gold, mean_of(gap), *kl, *ended]
        lines.append(f"| {' | '.join(cells)} |")
    if len(gaps) > 1:
        over = mean_over_seeds_and_prompts(np.array(gaps)).interval
        assert None not in (over.value, over.low, over.high), "two seeds have a range"
        told = f"{over.value:+.2f} ({over.low:+.2f} to {over.high:+.2f})"
        lines += ["", f"Over {len(gaps)} seeds and all prompts at once {told}."]
    return lines if gaps else []


def ends(store: Store, run: Run) -> tuple[list[SampleRow], list[SampleRow]]:
    """The held-out answers before the first update and after the last, to the same prompts."""
    steps = store.samples.steps(run.id)
    before, after = (store.samples.at(run.id, step) for step in (steps[0], steps[-1]))
    return before, after


def interval(figures: dict[str, float], name: str) -> str:
    """A figure with its 95 % interval, where it is known."""
    error = figures.get(metrics.error_of(name))
    return f"{figures[name]:.2f}" + ("" if error is None else f" ± {Z95 * error:.2f}")


def share(answers: list[SampleRow]) -> str:
    """How many answers came to an end."""
    return f"{100 * statistics.fmean(one.finished for one in answers):.0f} %"


def course(store: Store, run: Run) -> list[str]:
    """The table of a run's evaluations, of the answers that are kept."""
    heads = ["updates", "learned reward", "gold", "KL, nats per answer", "answers finished"]
    heads += ["different words", "three words said before"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for step in store.samples.steps(run.id):
        answers = store.samples.at(run.id, step)
        cells = [
            str(step),
            *(mean_of([float(getattr(one, name) or 0) for one in answers]) for name in FIGURES),
            share(answers),
            str(len({word for one in answers for word in words(one.response)})),
            f"{100 * statistics.fmean(repetition(one.response) for one in answers):.0f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


FIGURES = ("score", "gold", "kl")


def mean_of(values: list[float]) -> str:
    """A mean with its 95 % interval."""
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):.2f} ± {Z95 * error:.2f}"


def answers_of(store: Store, run: Run, count: int) -> list[str]:
    """The first held-out prompts with what was written before and after."""
    lines = []
    for before, after in list(zip(*ends(store, run), strict=True))[:count]:
        lines.append(f"**{film_of(before.prompt)}**")
        lines.append("")
        for word, one in (("before", before), ("after", after)):
            text = " ".join(one.response.split()) + ("" if one.finished else " …")
            lines.append(f"- {word} ({one.gold:+.2f}): `{text.replace('`', chr(39))}`")
        lines.append("")
    return lines


def film_of(prompt: str) -> str:
    """The film that a prompt asks for."""
    film = prompt.partition("Was ")[2].partition(" any good?")[0]
    return film[:1].upper() + film[1:]


def page(store: Store, seeds: list[int]) -> str:
    """The figures as Markdown; what a model wrote stands as code."""
    runs = [run for seed in seeds if (run := found(store, name_of(seed))) is not None]
    heads = ["run", "processor s", "wall s", "first point after s", "reward model right", "gold"]
    heads += ["learned reward", "gold gained", "in standard errors", "KL, nats per answer"]
    heads += ["answers finished"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [row_of(store, run) for run in runs]
    if runs:
        lines += ["", f"Ten held-out films, {runs[0].name}; gold in brackets:", ""]
        lines += answers_of(store, runs[0], SHOWN)
    compared = with_and_without(store, seeds)
    if compared:
        told = "Runs with `reset_prob` 0 and the reward model of the run beside it:"
        lines += ["", "## With resets and without", "", told, "", *compared]
    weak = found(store, WEAK_NAME)
    if weak is not None:
        flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in WEAK.items())
        lines += [
            "",
            "## With a weak brake",
            "",
            f"`drpo demo --task {TASK} {flags}`, with the first run's reward model:",
            "",
        ]
        lines += [*course(store, weak), "", *answers_of(store, weak, SHOWN_WEAK)]
    return "\n".join([BEGIN, "", *lines, END])


def main() -> None:
    """Carry out what is missing and write the page's figures."""
    parser = argparse.ArgumentParser(description="The real demo over seeds.")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--page", action="store_true", help="make no runs")
    options = parser.parse_args()
    store, seeds = Store(), list(range(options.seeds))
    if not options.page:
        for seed in seeds:
            carry_out(store, name_of(seed), seed=seed)
        for seed in seeds:
            judge = learned_by(store, name_of(seed))
            carry_out(store, bare_name(seed), seed=seed, reset_prob=0.0, reward_model=judge)
        carry_out(store, WEAK_NAME, **WEAK, reward_model=learned_by(store, name_of(seeds[0])))
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    write_whole(PAGE, head + page(store, seeds) + tail)


if __name__ == "__main__":
    main()
