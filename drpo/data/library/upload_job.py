"""One job on an upload, run as `python -m drpo.data.library.upload_job FOLDER`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drpo.data.gold_reward import sidecar_of
from drpo.data.io.limits import AmbiguousError, UnreadableError
from drpo.data.library.cleaning import Recipe, fix
from drpo.data.library.uploads import source_of
from drpo.data.library.versions import save_version
from drpo.data.loading import read_pairs
from drpo.data.pairset import PairSet
from drpo.data.quality.report import Settings, build_report
from drpo.data.reading import column_names
from drpo.data.schema.column_mapping import build_parts
from drpo.errors import DrpoError
from drpo.store import Store
from drpo.system.jobs import JobFolder, run_job


def read_upload(job: JobFolder) -> PairSet:
    """Read the pairs of the upload a job belongs to."""
    source, path = source_of(job.folder)
    loaded = read_pairs(
        source,
        mapping=build_parts(job.options.get("parts", {})),
        shape=job.options.get("shape") or None,
        progress=job.progress,
    )
    sidecar = sidecar_of(path)
    loaded.gold = sidecar if sidecar.is_file() else None
    return loaded


def report_on(
    loaded: PairSet, job: JobFolder, coverage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Report on pairs against the settings a job was started with."""
    began = time.perf_counter()
    model = job.options.get("model")
    settings = Settings(
        Path(model) if model else None,
        job.options.get("max_prompt_length"),
        job.options.get("response_length"),
    )
    report = build_report(loaded, settings, coverage=coverage, progress=job.progress)
    report["seconds"] = round(time.perf_counter() - began, 3)
    return report


def check(job: JobFolder) -> dict[str, Any]:
    """Read the upload and report on it."""
    return report_on(read_upload(job), job)


def save(job: JobFolder) -> dict[str, Any]:
    """Check the upload once more, apply the recipe, and save what stays with a report on it."""
    loaded = read_upload(job)
    report_on(loaded, job)  # notes the problems by row, which the recipe goes by
    chosen = job.options["recipe"]
    recipe = Recipe(tuple(chosen["exclude"]), chosen["contradictions"], chosen["repeats"])
    job.progress("save", 0, 0)
    fixed, account = fix(loaded, recipe)
    # A version is judged by its own report from here on: by these pairs, not by the upload's.
    report = report_on(fixed, job)
    store = Store()
    try:
        version = save_version(
            store,
            fixed.pairs,
            job.options["name"],
            source=loaded.name,
            recipe=account,
            report=report,
            gold=fixed.gold,
        )
    finally:
        store.close()
    return {
        "id": version.id,
        "name": version.name,
        "version": version.version,
        "rows": version.rows,
        "left_out": account["left_out"],
    }


def run_upload_job(folder: Path, work: Callable[[JobFolder], dict[str, Any]]) -> int:
    """Do a job; a file that was not understood fails with the columns a person can choose from."""
    return run_job(
        folder, work, lambda job, error: {"kind": _kind_of(error), "columns": _columns(job)}
    )


def _columns(job: JobFolder) -> list[str]:
    """The columns a person can choose from when the file was not understood."""
    try:
        return column_names(source_of(job.folder)[0])
    except (DrpoError, KeyError):
        return []


def _kind_of(error: DrpoError) -> str:
    if isinstance(error, AmbiguousError):
        return "ambiguous"
    return "unreadable" if isinstance(error, UnreadableError) else "data"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    jobs = {"check": check, "save": save}
    sys.exit(run_upload_job(place, jobs[place.name]))
