"""Evaluate runs side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drpo import metrics
from drpo.api.progress_bar import ProgressBar, only_ours
from drpo.api.records import StoreRecords
from drpo.api.run import Run
from drpo.api.workspace import store
from drpo.errors import RunError
from drpo.evaluation.evaluate import Terms
from drpo.evaluation.evaluate import evaluate as evaluate_policies
from drpo.evaluation.policies import Contestant, contestant, contestant_of, kept_policies

if TYPE_CHECKING:
    from drpo.evaluation.results import Evaluation
    from drpo.store import Store


def evaluate(
    *runs: Run | str,
    prompts: int | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Let the policies of runs answer the same held-out prompts under the same sampling noise.

    The first run's held-out prompts, less those that another run was trained on, its answer length,
    reward and gold score serve for all. Results of launched runs are kept in the workspace, where
    the screens show them.

    Args:
        runs: Runs from `train`, `launch`, `list_runs`, or ids of the workspace's; an id may end in
            `@STEP` for another policy than that of the run's last evaluation.
        prompts: Held-out prompts; by default the first run's `eval_prompts`.
        temperature: Randomness of the answers, 0 is greedy; by default its `eval_temperature`.
        seed: Seed of the sampling noise; by default its `eval_seed`.
        progress: Show a bar.

    Returns:
        Figures with standard errors over prompts, and win rates with 95 % intervals against the
        start policy, the chosen answers, and each other.

    Raises:
        RunError: A run keeps no policy, or is named twice.
        DataError: Fewer than 2 held-out prompts are left that no other run was trained on.
    """
    if not runs:
        raise RunError("There is nothing to evaluate; expected at least one run.")
    found = [_contestant(run) for run in runs]
    if len({one.key for one in found}) < len(found):
        raise RunError("A run is named twice at the same step; name each once.")
    stores = [_store_of(run) for run in runs]
    # Figures of runs that the store does not know would hang in the air there.
    keeps = None if None in stores else stores[0]
    bar = ProgressBar(shown=progress)
    terms = Terms(prompts, temperature, seed)
    try:
        with only_ours():
            return evaluate_policies(keeps, found, terms=terms, progress=bar.show)
    finally:
        bar.close()


def _store_of(run: Run | str) -> Store | None:
    if isinstance(run, str):
        return store()
    return run._records.store if isinstance(run._records, StoreRecords) else None


def _contestant(run: Run | str) -> Contestant:
    known = _store_of(run)
    if known is not None:
        return contestant(known, run if isinstance(run, str) else run.id)
    assert isinstance(run, Run), "an id is looked up in a store"
    kept = [step for step in kept_policies(run.config, run.folder) if step > 0]
    evaluated = [p.step for p in run._records.points() if p.name == metrics.EVAL_KL]
    last = max(evaluated, default=0)
    step = last if last in kept else max(kept, default=None)
    one = contestant_of(run.id, run.id, run.config, run.folder, step)
    return replace(one, data=run._data, reward=run._reward)
