"""Which checkpoints a run has, which of them are whole, and which are kept.

Knows folders and no weights: what is in them is `drpo.rl.checkpoint`'s.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drpo.errors import CheckpointError
from drpo.files import CHECKSUMS, damaged_files, read_json, restore_replaced

FORMAT = 1
KEPT = 2
"""Full checkpoints kept."""
POLICY = "policy"
STATE = "state.json"
RUN_FILES = ("optimizer.safetensors", STATE)
"""Without these it is a policy alone."""
OBSERVER = "observer.json"
SCORE = "score.json"
"""Stands where the very weights were evaluated: their held-out score."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a run can go on from."""

    folder: Path | None
    """The newest checkpoint that is whole; None where there is no checkpoint yet."""
    damaged: Mapping[str, str]
    """Newer ones that are not, each by its folder's name with what is wrong with it."""


def latest(directory: Path) -> Path | None:
    """Return the newest full checkpoint, or None; for the one process that may write here."""
    restore_replaced(directory)
    full = _full(directory)
    return full[-1] if full else None


def newest_sound(directory: Path) -> Sound:
    """Find the newest full checkpoint whose files hold what was written.

    Raises:
        CheckpointError: There are checkpoints, and every one is damaged.
    """
    restore_replaced(directory)
    damaged: dict[str, str] = {}
    full = _full(directory)
    for folder in reversed(full):
        wrong = _damage(folder)
        if not wrong:
            return Sound(folder, damaged)
        damaged[folder.name] = wrong
    if damaged:
        listed = "; ".join(f"{name}: {wrong}" for name, wrong in damaged.items())
        raise CheckpointError(
            f"Every checkpoint in {directory} is damaged ({listed}). Put one back from a backup "
            "and resume, or start the run anew."
        )
    return Sound(None, damaged)


def see_that_policy_is_whole(folder: Path) -> None:
    """Refuse a kept policy whose files hold something else than was written.

    Args:
        folder: A checkpoint, or a snapshot of a policy.

    Raises:
        CheckpointError: A file is missing or altered.
    """
    wrong = damaged_files(folder, within=POLICY)
    if wrong:
        raise CheckpointError(
            f"{folder} is damaged: {_not_as_written(wrong)}. Use the policy of another step, or "
            "put the files back from a backup."
        )


def forget_after(directory: Path, step: int) -> None:
    """Remove what was kept beyond the checkpoint that a run goes on from.

    Those policies belong to updates that are done again, perhaps with other settings; left behind,
    one of them would be taken for the run's newest.

    Args:
        directory: The run's `checkpoints`.
        step: Updates done at the checkpoint; -1 when the run begins anew.
    """
    for folder in _folders(directory):
        if step_of(folder) > step:
            shutil.rmtree(folder)
    # A process that was killed between two renames left the old folder beside the new one.
    for old in directory.glob(".step-*.old"):
        shutil.rmtree(old)


def policies(directory: Path) -> dict[int, Path]:
    """Return every kept policy folder by its step, ascending."""
    return {
        step_of(folder): folder / POLICY
        for folder in _folders(directory)
        if (folder / POLICY).is_dir()
    }


def thin(directory: Path, *, keep_policies: bool) -> None:
    """Reduce all but the last full checkpoints to their policies, or remove them when large.

    The best one by held-out score keeps its policy however large it is.
    """
    full = _full(directory)
    known = {folder: read_json(folder / SCORE).get("score") for folder in _folders(directory)}
    scores = {folder: score for folder, score in known.items() if score is not None}
    best = max(scores, key=lambda folder: (scores[folder], step_of(folder)), default=None)
    for folder in _folders(directory):
        if folder in full[-KEPT:]:
            continue
        if not keep_policies and folder != best and (folder in full or folder in scores):
            shutil.rmtree(folder)
        elif folder in full:
            for name in (STATE, OBSERVER, "optimizer.safetensors", "critic.safetensors"):
                # state.json first: from then on it is no checkpoint.
                (folder / name).unlink(missing_ok=True)


def read_record(folder: Path) -> Mapping[str, Any]:
    """Read what a full checkpoint says of itself beside its weights.

    Raises:
        CheckpointError: It is no full checkpoint, or another version's.
    """
    if not _is_full(folder):
        missing = [name for name in RUN_FILES if not (folder / name).is_file()]
        raise CheckpointError(
            f"{folder} lacks {', '.join(missing)}; expected a full checkpoint. Resume from another "
            "one, or start the run anew."
        )
    try:
        record = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / STATE} is not JSON ({error}).") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder / STATE} has another format than {FORMAT}; it was written by another "
            "version, start the run anew."
        )
    return record


def folder_name(step: int) -> str:
    """Return the name of a step's folder."""
    return f"step-{step:06d}"


def step_of(folder: Path) -> int:
    """Return the step that a folder's name states."""
    return int(folder.name.removeprefix("step-"))


def _folders(directory: Path) -> list[Path]:
    return sorted(directory.glob("step-" + "[0-9]" * 6 + "*"), key=step_of)


def _full(directory: Path) -> list[Path]:
    return [folder for folder in _folders(directory) if _is_full(folder)]


def _is_full(folder: Path) -> bool:
    return all((folder / name).is_file() for name in RUN_FILES)


def _damage(folder: Path) -> str:
    """What is wrong with a checkpoint's files; empty where nothing is."""
    damaged = damaged_files(folder)
    record = read_json(folder / STATE)
    if not record:
        return f"{STATE} is not what was written"
    if damaged is None:
        # An earlier version kept no checksums: what is cut short or garbled at its head is seen.
        damaged = [] if not record.get("checksums") else [CHECKSUMS]
        cut = (path for path in folder.rglob("*.safetensors") if not _has_its_length(path))
        damaged += sorted(path.relative_to(folder).as_posix() for path in cut)
    return _not_as_written(damaged) if damaged else ""


def _not_as_written(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not what was written"


def _has_its_length(path: Path) -> bool:
    """Whether a safetensors file is as long as its head says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length > size - 8:
            return False
        try:
            tensors = json.loads(file.read(length))
            tensors.pop("__metadata__", None)
            return bool(size == 8 + length + max(t["data_offsets"][1] for t in tensors.values()))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return False
