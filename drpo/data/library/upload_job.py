"""One job on an upload, run as `python -m drpo.data.library.upload_job FOLDER`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drpo.data.gold_reward import sidecar_of
from drpo.data.io.source import Source
from drpo.data.library import checked_upload
from drpo.data.library.cleaning import Recipe, fix
from drpo.data.library.label_decisions import LabelDecisions
from drpo.data.library.uploads import source_of
from drpo.data.library.versions import save_version
from drpo.data.loading import read_pairs
from drpo.data.pairset import PairSet
from drpo.data.quality.report import Settings, build_report, report_on_rest
from drpo.data.reading import column_names
from drpo.data.schema.column_mapping import build_parts
from drpo.data.schema.questions import described
from drpo.errors import DrpoError
from drpo.store import Store
from drpo.system.jobs import JobFolder, run_job
from drpo.system.limits import limit_this_process

PROCESSOR_SECONDS = 900
"""The largest upload that is taken needs a third of it."""
log = logging.getLogger("drpo.data.library.upload_job")
"""A job's log says what was done anew and what was there from a job before."""


class ReadUpload:
    """The upload a job belongs to, read and reported on as the job was asked to.

    What a job before left is used where it follows from the same file and settings.

    Args:
        job: The job.
    """

    def __init__(self, job: JobFolder) -> None:
        self.job = job
        model = job.options.get("model")
        self.settings = Settings(
            Path(model) if model else None,
            job.options.get("max_prompt_length"),
            job.options.get("response_length"),
        )
        source, path = source_of(job.folder)
        parts, shape = job.options.get("parts") or {}, job.options.get("shape") or None
        reading = checked_upload.reading_key(source, parts, shape)
        self._key = checked_upload.report_key(reading, self.settings)
        self._folder = job.folder.parent
        self.pairs = self._read(source, reading, parts, shape)
        sidecar = sidecar_of(path)
        self.pairs.gold = sidecar if sidecar.is_file() else None

    def _read(
        self, source: Source, key: str, parts: Mapping[str, Any], shape: str | None
    ) -> PairSet:
        kept = checked_upload.kept_pairs(self._folder, key)
        if kept is not None:
            log.info("the pairs of %s are there as they were read before", source.name)
            return kept
        log.info("reading %s", source.name)
        mapping = build_parts(parts)
        loaded = read_pairs(source, mapping=mapping, shape=shape, progress=self.job.progress)
        with _spared():
            checked_upload.keep_pairs(self._folder, key, loaded)
        return loaded

    def report(self, coverage: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Report on the upload, and note the problems of its pairs by row.

        Args:
            coverage: How likely a model finds the answers, where that was measured.
        """
        log.info("reporting on %s", self.pairs.name)
        began = time.perf_counter()
        report = build_report(
            self.pairs, self.settings, coverage=coverage, progress=self.job.progress
        )
        report["seconds"] = round(time.perf_counter() - began, 3)
        lasting = report if coverage is None else None
        with _spared():
            checked_upload.keep_report(self._folder, self._key, self.pairs, lasting)
        return report

    def note_problems(self) -> dict[str, Any] | None:
        """Note the problems of the pairs by row, which a recipe goes by.

        Returns:
            The report that found them; None where the one at hand is with coverage.
        """
        kept = checked_upload.kept_report(self._folder, self._key)
        if kept is None:
            return self.report()
        log.info("the report on %s is there from before", self.pairs.name)
        self.pairs.problems, report = kept
        return report


@contextmanager
def _spared() -> Iterator[None]:
    """Do without what the next job could have used, rather than fail where the disk is full."""
    try:
        yield
    except OSError as error:
        log.warning("nothing is kept for the next job: %s", error)


def check(job: JobFolder) -> dict[str, Any]:
    """Read the upload and report on it."""
    return ReadUpload(job).report()


def save(job: JobFolder) -> dict[str, Any]:
    """Apply the recipe to the upload, and save what stays with a report on it."""
    upload = ReadUpload(job)
    before = upload.note_problems()
    loaded = upload.pairs
    chosen = job.options["recipe"]
    decided = LabelDecisions(job.folder.parent, loaded.content_hash)
    recipe = Recipe(
        tuple(chosen["exclude"]),
        chosen["contradictions"],
        chosen["repeats"],
        drop=decided.pairs("drop"),
        flip=decided.pairs("flip"),
    )
    job.progress("save", 0, 0)
    fixed, account = fix(loaded, recipe)
    # A version is judged by its own report from here on: by these pairs, not by the upload's.
    report = report_on_rest(fixed, loaded, before, upload.settings, job.progress)
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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return run_job(folder, work, lambda job, error: {**described(error), "columns": _columns(job)})


def _columns(job: JobFolder) -> list[str]:
    """The columns a person can choose from when the file was not understood."""
    try:
        return column_names(source_of(job.folder)[0])
    except (DrpoError, KeyError):
        return []


if __name__ == "__main__":
    limit_this_process(processor_seconds=PROCESSOR_SECONDS)
    place = Path(sys.argv[1])
    jobs = {"check": check, "save": save}
    sys.exit(run_upload_job(place, jobs[place.name]))
