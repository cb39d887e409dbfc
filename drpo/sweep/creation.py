"""Writing a sweep down: its id, and its plan with every saved data set named by its version."""

from __future__ import annotations

import re
import secrets
from typing import Any

from drpo.store import Store
from drpo.store.schema import Sweep
from drpo.sweep.plan import SweepPlan


def create(store: Store, plan: SweepPlan, name: str = "") -> str:
    """Write a sweep down and return its id; `advance` queues its runs.

    All of them learn from the versions of saved data sets that are the newest now.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24] or "sweep"
    sweep_id = f"{slug}-{secrets.token_hex(2)}"
    store.sweeps.add(Sweep(id=sweep_id, name=name or sweep_id, plan=_pinned(store, plan)))
    return sweep_id


def _pinned(store: Store, plan: SweepPlan) -> dict[str, Any]:
    """The plan as it is written down, each saved data set named by its version."""
    written = plan.model_dump(mode="json")
    written["base"] = store.runs.pinned(plan.base_config).model_dump(mode="json")
    for axis in written["axes"]:
        if axis["name"] == "demonstrations":  # the only data that can be an axis
            configs = [plan.base_config.replace(demonstrations=name) for name in axis["values"]]
            axis["values"] = [store.runs.pinned(one).data.demonstrations for one in configs]
    return written
