"""A run as a script or a notebook holds it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drpo import metrics
from drpo.api.progress_bar import ProgressBar, only_ours
from drpo.api.records import Records, StoreRecords
from drpo.config.run_config import RunConfig
from drpo.errors import RunError
from drpo.store import Store, run_folder
from drpo.store.schema import LIVE_STATUSES
from drpo.store.schema import Run as Row
from drpo.system import control
from drpo.types import Sample

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from drpo.data.run_data import RunData
    from drpo.modeling.scorers import Scorer

WHO = "python"
"""Who asked, in the run's events."""
LOOK_SECONDS = 0.5


class Run:
    """One run: its settings, what was measured, what it wrote, the model it trained.

    `drpo.train`, `drpo.launch`, `drpo.list_runs` and `drpo.find_run` give one.

    Attributes:
        id: Its name, unique in the workspace.
        config: Its settings.
        folder: Where its checkpoints and models lie. Of a run that `drpo.train` was given no folder
            for, they go when nothing refers to the `Run` any more: `export` what you want to keep.
    """

    def __init__(
        self,
        run_id: str,
        config: RunConfig,
        folder: Path,
        records: Records,
        *,
        data: RunData | None = None,
        reward: Scorer | None = None,
    ) -> None:
        self.id = run_id
        self.config = config
        self.folder = folder
        self._records = records
        self._data = data
        self._reward = reward

    @classmethod
    def _of(cls, store: Store, row: Row) -> Run:
        """A run of the store."""
        config = RunConfig.from_nested(row.config)
        return cls(row.id, config, run_folder(row.id), StoreRecords(store, row.id))

    def __repr__(self) -> str:
        done, planned = self.step, self.config.ppo.updates
        return f"<Run {self.id}: {self.status}, {done} of {planned} updates>"

    @property
    def status(self) -> str:
        """Finished or stopped; also queued, running, paused, failed or interrupted when launched.

        Stopped was asked for and saved; interrupted lost its process and can be resumed.
        """
        return self._records.status

    @property
    def error(self) -> str:
        """Why a launched run failed, in a sentence; empty where it did not."""
        return self._records.error

    @property
    def step(self) -> int:
        """Policy updates done."""
        return self._records.step

    def metrics(self, stage: str = "") -> pd.DataFrame:
        """Return what was measured as a table.

        Args:
            stage: Empty for the policy's updates and evaluations; "sft", "rm" or "dpo" for the
                curves of such a stage.

        Returns:
            One row a step and one column a metric, NaN where a metric was not measured; empty where
            the run had no such stage. The index `step` counts policy updates done, or the stage's
            own optimiser steps. `docs/metrics.md` names the columns with their units: scores are in
            the reward's own units, KL in nats per answer; columns under `eval/` are of held-out
            prompts, standard errors end in `_se`.

        Raises:
            RunError: There is no stage of that name.
        """
        import pandas as pd  # half a second that `import drpo` should not take

        if stage and stage not in metrics.OWN_STEPS:
            known = ", ".join(metrics.OWN_STEPS)
            raise RunError(f"A stage is one of {known}, or empty for the policy; got {stage!r}.")
        rows: dict[int, dict[str, float]] = {}
        for point in self._records.points():
            if metrics.of(point.name).steps_of == stage:
                rows.setdefault(point.step, {})[point.name] = point.value
        frame = pd.DataFrame.from_dict(rows, orient="index").sort_index()
        return frame.rename_axis(index="step", columns=None)

    def samples(self, kind: str = "heldout", step: int | None = None) -> list[Sample]:
        """Return answers as text, with where each began and how it was scored.

        `pandas.DataFrame(run.samples())` makes a table of them.

        Args:
            kind: "heldout" for the answers of evaluations, "episode" for those of training.
            step: Policy updates done; without it, of all steps.

        Raises:
            RunError: There is no such kind.
        """
        if kind not in ("heldout", "episode"):
            raise RunError(f"A sample's kind is heldout or episode, got {kind!r}.")
        return self._records.samples_of(kind, step)

    def events(self) -> pd.DataFrame:
        """Return what happened, in order: stages' ends, checkpoints, changed settings, alarms.

        Returns:
            Columns `step` (policy updates done), `kind`, `message`.
        """
        import pandas as pd

        events = self._records.events()
        return pd.DataFrame(
            [(event.step, event.kind, event.message) for event in events],
            columns=["step", "kind", "message"],
        )

    def model(self, step: int | None = None) -> PreTrainedModel:
        """Load the trained policy: float32, on the CPU, in eval mode, adapters merged.

        Args:
            step: Policy updates done; the newest that is kept when not said, 0 for the start
                policy. Small policies are kept at every evaluation, large ones at checkpoints.

        Raises:
            RunError: No policy of that step is kept, or none at all.
        """
        from drpo.modeling.model_loading import load_causal

        with only_ours():
            return load_causal(self._policy(step)).eval()

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Load the policy's tokenizer.

        Raises:
            RunError: No policy is kept.
        """
        from drpo.modeling.model_loading import load_tokenizer

        return load_tokenizer(self._policy(None))

    def export(self, folder: str | Path) -> Path:
        """Write what was trained as a folder that transformers' `from_pretrained` loads.

        Args:
            folder: A new or an empty folder.

        Raises:
            CheckpointError: Nothing is saved yet, or the folder is taken.
            RunError: The method trains no model.
        """
        from drpo.runs import pipeline, worker

        if isinstance(self._records, StoreRecords):
            worker.export(self.id, Path(folder), self._records.store)
        else:
            pipeline.export(self.config, self.folder, Path(folder))
        return Path(folder)

    def wait(self, *, progress: bool = True) -> Run:
        """Wait until a launched run has ended; returns the run.

        Args:
            progress: Show a bar.

        Raises:
            RunError: It failed, or lost its process; the message says why.
        """
        store = self._store("wait for")
        bar = ProgressBar(shown=progress)
        try:
            while (row := store.runs.get(self.id)).status in LIVE_STATUSES:
                bar.show(row.stage, row.stage_done, row.stage_total)
                time.sleep(LOOK_SECONDS)
        finally:
            bar.close()
        if row.status in ("failed", "interrupted"):
            raise RunError(f"{self.id} {row.status}: {row.error or 'its process is gone.'}")
        return self

    def stop(self) -> None:
        """Ask a launched run to stop within seconds, saved as after its last whole update.

        Raises:
            RunError: It has ended.
        """
        control.stop(self._store("stop"), self.id, WHO)

    def set(self, **settings: float) -> None:
        """Give a launched run new values of `kl_coef` or `reset_prob`, from the next update on.

        Raises:
            ConfigError: Another setting, or a value out of range.
            RunError: It has ended.
        """
        control.change_settings(self._store("change"), self.id, settings, WHO)

    def _store(self, verb: str) -> Store:
        if not isinstance(self._records, StoreRecords):
            raise RunError(
                f"{self.id} was trained in this process and has ended, so there is nothing to "
                f"{verb}; `drpo.launch` starts runs that go on by themselves."
            )
        return self._records.store

    def _policy(self, step: int | None) -> str:
        from drpo.evaluation.policies import kept_policies

        kept = kept_policies(self.config, self.folder)
        wanted = max(kept, default=None) if step is None else step
        if wanted is None or wanted not in kept:
            have: Sequence[Any] = sorted(kept) or ["none"]
            raise RunError(
                f"{self.id} has no policy of step {'any' if step is None else step}; kept steps: "
                f"{', '.join(map(str, have))} (method {self.config.run.method}, {self.status})."
            )
        return kept[wanted]
