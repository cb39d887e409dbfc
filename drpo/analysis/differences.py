"""In which settings runs differ, those changed in mid-run included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from drpo.analysis.metric_series import Feed
from drpo.config.run_config import as_trained
from drpo.i18n import t
from drpo.i18n.format import number
from drpo.store.schema import Run


def changes_in_words(changes: Iterable[Mapping[str, Any]]) -> str:
    """Which settings were changed in mid-run and when, in words; empty where nothing was.

    Args:
        changes: As `Feed.setting_changes` or the store's `events.setting_changes` list them.
    """
    return "; ".join(
        t(
            "compare.changed_at",
            name=change["name"],
            old=number(change["old"]),
            new=number(change["new"]),
            step=change["step"],
        )
        for change in changes
    )


def settings_that_differ(runs: Iterable[Run], feeds: Iterable[Feed]) -> pd.DataFrame:
    """The settings in which runs differ, one row a setting, one column a run.

    Args:
        runs: The runs.
        feeds: Their feeds, for a last row that says what was changed in mid-run.
    """
    runs = list(runs)
    flat = {run.id: as_trained(run.config) for run in runs}
    ids = list(flat)
    names = list(next(iter(flat.values()), {}))
    differing = [
        name
        for name in names
        if name != "name" and len({repr(flat[run_id][name]) for run_id in ids}) > 1
    ]
    table = pd.DataFrame(
        {run_id: [str(flat[run_id][name]) for name in differing] for run_id in ids},
        index=pd.Index(differing, name="setting"),
    )
    by_hand = [changes_in_words(feed.setting_changes) or "–" for feed in feeds]
    if len(set(by_hand)) > 1:
        table.loc[t("compare.changed")] = by_hand
    return table
