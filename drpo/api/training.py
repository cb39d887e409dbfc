"""Train in this process, or queue a run; find the runs of the workspace."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from drpo.api.memory import MemoryObserver
from drpo.api.progress_bar import ProgressBar, only_ours
from drpo.api.run import Run
from drpo.api.workspace import store, store_if_there
from drpo.config.run_config import RunConfig
from drpo.data import PairSet
from drpo.data import load_pairs as read_source
from drpo.data.pairs import Pair
from drpo.data.pairset import content_hash
from drpo.data.run_data import RunData, load_run_data
from drpo.errors import ConfigError, DataError, RunError
from drpo.files import write_whole
from drpo.runs import background_supervisor, preflight
from drpo.runs.reporting import listening
from drpo.store.runs import new_id
from drpo.system import processes
from drpo.trackers.installed import check_installed
from drpo.types import Observer

if TYPE_CHECKING:
    from drpo.modeling.scorers import FunctionScorer, RewardFunction

MAY_CHANGE = ("updates", "name", "alarm_webhook", "devices", "report_to")
"""Settings that may differ when a folder's run goes on: it may be trained for longer, and tell
others. A folder keeps no secret, so that a webhook's address could not be compared."""


class _Nobody(Observer):
    """Listens to nothing and asks for nothing."""


def train(
    config: RunConfig,
    *,
    pairs: PairSet | Sequence[Pair] | None = None,
    heldout: Sequence[Pair] | None = None,
    reward: RewardFunction | None = None,
    observer: Observer | None = None,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Run:
    """Train in this process and return when it is done; no store is written.

    Every stage that the config asks for is carried out: SFT, a reward model where none is named and
    no `reward` given, then the method, evaluated on held-out prompts on the way. Interrupting it
    (Ctrl-C, or a notebook's stop button) saves and returns, without the update it is in; a second
    interrupt ends it at once.

    Args:
        config: The settings. An alarm among `alarm_pause` stops the run instead of pausing it.
        pairs: Pairs in memory, from `load_pairs` or a list of `Pair`; the config's `data` is then
            only their name.
        heldout: Pairs in memory to evaluate on. Without them: the config's `heldout`, or a share of
            the pairs set apart by prompt.
        reward: A function that takes prompts and whole answers (reset prefixes included; two lists
            of equal length, text) and returns one finite score an answer, higher being better. It
            replaces the config's reward; KL is paid for in its units.
        observer: Hears metrics, samples and events as they come, and may ask to stop, to pause, or
            to change `kl_coef` and `reset_prob` between two updates.
        folder: Where checkpoints and models go. When it holds a run with the same settings that was
            cut off or stopped, that run goes on from its last checkpoint, and the new `Run` holds
            what was measured from there on. Without a folder they go to a temporary one.
        progress: Show a bar for each stage.

    Returns:
        The run, finished or stopped.

    Raises:
        ConfigError: Settings contradict each other or this machine.
        DataError: A file, row or pair cannot be used; the message names it.
        ModelError: A model lacks something that training needs.
        RewardError: The reward function returned something else than one finite number an answer.
        RunError: The folder belongs to a run with other settings, or another process trains there.
        TrainingDivergedError: Something became NaN or infinite; the last checkpoint is good.
    """
    from drpo.modeling.scorers import FunctionScorer
    from drpo.runs import pipeline

    if config.models.devices > 1:
        raise ConfigError(
            f"devices is {config.models.devices}, which takes a process each, and drpo.train "
            "trains in this one; use drpo.launch, or set devices to 1."
        )
    check_installed(config.run.report_to)
    data = _data(config, pairs, heldout)
    scorer = None if reward is None else FunctionScorer(reward)
    bar = ProgressBar(shown=progress)
    memory = MemoryObserver(observer or _Nobody(), bar)
    with _folder(config, folder) as (place, config), _interruptible(memory), only_ours():
        try:
            if scorer is not None:
                memory.note(reward=scorer.name)
            with listening(config, place, memory, run_id=place.name) as heard:
                stopped = pipeline.run_stages(config, data, place, heard, reward=scorer)
        finally:
            bar.close()
    memory.look_for_alarms()
    memory.status = "stopped" if stopped else "finished"
    return _run(config, place, memory, data, scorer, temporary=folder is None)


def launch(config: RunConfig) -> Run:
    """Queue a run in the workspace and return at once; it is trained by a process of its own.

    The workspace is the folder that `DRPO_HOME` names, else `./workspace`. The run goes on when
    this process ends, and `drpo app`, `drpo runs` and `drpo.list_runs` show it.

    Args:
        config: The settings. A saved data set is pinned to its newest version.

    Returns:
        The run, queued; `Run.wait` waits for its end.

    Raises:
        DrpoError: Something that can be known without loading a model stands in the way; the
            message says what, where and what to do.
    """
    opened = store()
    preflight.check(config, opened)
    row = opened.runs.create(config)
    background_supervisor.start_detached()
    return Run._of(opened, row)


def list_runs(*, archived: bool = False) -> list[Run]:
    """Return the workspace's runs, pinned ones first, then the newest first.

    Args:
        archived: Archived ones too.
    """
    opened = store()
    return [Run._of(opened, row) for row in opened.runs.all(archived=archived)]


def find_run(text: str) -> Run:
    """Return the workspace's run with this id, or the only one whose id or name begins so.

    Raises:
        RunError: None or several fit.
    """
    opened = store()
    return Run._of(opened, opened.runs.find(text))


def load_pairs(source: str) -> PairSet:
    """Load preference pairs, whatever their layout.

    Args:
        source: A saved data set's name or id (where there is a workspace), a file (JSON, JSON
            Lines, CSV, TSV, Parquet, Arrow, plain or compressed), or a Hub name such as
            `Anthropic/hh-rlhf`.

    Returns:
        The pairs in order, to iterate over, with `len`. Rows that cannot be trained on are left out
        and named in `problems`.

    Raises:
        DataError: There is no such thing, it cannot be read, or no row of it can be used.
    """
    return read_source(source, store=store_if_there())


def _data(
    config: RunConfig, pairs: PairSet | Sequence[Pair] | None, heldout: Sequence[Pair] | None
) -> RunData:
    opened = store_if_there()
    if pairs is None and heldout is None:
        preflight.check(config, opened)
    given = pairs if pairs is None or isinstance(pairs, PairSet) else _pair_set(config, pairs)
    held = None if heldout is None else _numbered("heldout", heldout)
    return load_run_data(config, opened, pairs=given, heldout=held)


def _pair_set(config: RunConfig, pairs: Sequence[Pair]) -> PairSet:
    numbered = _numbered("pairs", pairs)
    if not numbered:
        raise DataError("pairs is empty; expected at least two pairs with different prompts.")
    return PairSet(numbered, config.data.data, content_hash(numbered), rows=len(numbered))


def _numbered(name: str, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, each with a row number for messages."""
    numbered = []
    for at, pair in enumerate(pairs):
        if not isinstance(pair, Pair):
            raise DataError(
                f"{name}[{at}] is a {type(pair).__name__}; expected a drpo.Pair. Make one with "
                "drpo.Pair(prompt, chosen, rejected), or load a file with drpo.load_pairs."
            )
        numbered.append(pair if pair.row else replace(pair, row=at + 1))
    return numbered


@contextmanager
def _folder(config: RunConfig, folder: str | Path | None) -> Iterator[tuple[Path, RunConfig]]:
    """Lend the run's folder, alone: its own, or a temporary one that an error removes.

    With it come the settings, as a run that the folder holds began with them.
    """
    if folder is None:
        place = Path(tempfile.mkdtemp(prefix="drpo-"))
        try:
            yield place, config
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return
    place = Path(folder).resolve()
    place.mkdir(parents=True, exist_ok=True)
    lock = processes.Lock(place / "worker.lock")
    if not lock.acquire():
        raise RunError(f"Process {lock.holder()} trains in {place}; name another folder.")
    try:
        config = _as_begun(config, place / "config.json")
        write_whole(place / "config.json", config.to_json())
        yield place, config
    finally:
        lock.release()


def _as_begun(config: RunConfig, file: Path) -> RunConfig:
    """See that a run which the folder holds has these settings, and return them as it began.

    A run of before conversations were rendered goes on reading prompts as text.

    Raises:
        RunError: It has others.
    """
    if not file.is_file():
        return config
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        before = RunConfig.from_nested(stored).flat()
    except (ValueError, ConfigError) as error:
        raise RunError(f"{file} is not a run's settings; name a new folder.") from error
    if config.data.prompt_format == "auto" and "prompt_format" not in stored.get("data", {}):
        config = config.replace(prompt_format="text")
    now = config.flat()
    changed = [n for n in now if before.get(n) != now[n] and n not in MAY_CHANGE]
    if changed:
        said = ", ".join(f"{name} was {before.get(name)!r}, is {now[name]!r}" for name in changed)
        raise RunError(
            f"{file.parent} holds a run with other settings ({said}); name a new folder, or give "
            "the same settings to go on with that run."
        )
    return config


@contextmanager
def _interruptible(memory: MemoryObserver) -> Iterator[None]:
    """Let the first interrupt from the keyboard ask to save and stop, and the second be one."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return

    def ask(number: int, frame: object) -> None:
        if memory.stop_asked:
            signal.default_int_handler(number, frame)  # type: ignore[arg-type]
        memory.stop_asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run(
    config: RunConfig,
    place: Path,
    memory: MemoryObserver,
    data: RunData,
    scorer: FunctionScorer | None,
    *,
    temporary: bool,
) -> Run:
    run_id = new_id(config.run.name or config.run.method) if temporary else place.name
    run = Run(run_id, config, place, memory, data=data, reward=scorer)
    if temporary:
        weakref.finalize(run, shutil.rmtree, place, ignore_errors=True)
    return run
