"""The check of an upload's labels: a process of its own, as it loads scikit-learn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from drpo.data.labels.label_check import check_labels
from drpo.data.library.upload_job import ReadUpload, run_upload_job
from drpo.system.jobs import JobFolder
from drpo.system.limits import limit_this_process


def _check(job: JobFolder) -> dict[str, Any]:
    return check_labels(ReadUpload(job).pairs, progress=job.progress)


if __name__ == "__main__":
    limit_this_process()
    sys.exit(run_upload_job(Path(sys.argv[1]), _check))
