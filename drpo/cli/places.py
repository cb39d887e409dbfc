"""`drpo places`: where runs are, and where more fit."""

from __future__ import annotations

from dataclasses import asdict

from drpo.cli.options import Json
from drpo.cli.output import print_json, print_table, say
from drpo.i18n import t
from drpo.runs.places import going_on, places
from drpo.store import Store


def show_places(as_json: Json = False) -> None:
    """List machines, free places and runs there."""
    store = Store()
    found, live = places(store), going_on(store)
    if as_json:
        print_json(
            [
                {"executor": one.executor, "away": one.away}
                | asdict(node)
                | {"runs": [run.id for run in one.runs_on(node, live)]}
                for one in found
                for node in one.nodes
            ]
        )
        return
    rows = []
    for one in found:
        for node in one.nodes:
            free = t("cli.places_free", free=node.free, places=node.places)
            runs = ", ".join(run.id for run in one.runs_on(node, live))
            stands = free if node.lives else t("cli.node_lost")
            rows.append([one.executor, node.name, node.device, stands, runs])
    heads = ("executor", "node", "device_head", "free", "runs_head")
    print_table(rows, [t(f"cli.{head}") for head in heads])
    for one in found:
        if one.away:
            say(t("cli.cluster_away", name=one.executor, why=one.away), err=True)
