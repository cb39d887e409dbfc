"""One run on 1, 2 and 3 ranks of this processor: how far they differ, and from what.

    python -m benchmarks.devices            # a table in Markdown; a few minutes on two cores

The sample task `tldr` at the demo's settings. Gradients are those of the first update's first
minibatch. Then three updates, then six whose first two were made by 2 ranks, the next two by one
and the last two by 3, from the checkpoints of each other.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.data.run_data import load_run_data
from drpo.modeling.models import Models, load_models
from drpo.parallel.group import joined
from drpo.parallel.ranks import ALONE, Ranks
from drpo.rl import checkpoint
from drpo.rl.batches import prepare_episodes
from drpo.rl.checkpoint import TrainState
from drpo.rl.checkpoint_folders import folder_name
from drpo.rl.credit import assign_credit
from drpo.rl.critic_updates import critic_gradients
from drpo.rl.experience import collect
from drpo.rl.metrics import Clock
from drpo.rl.minibatches import add_gradients, split_minibatches, tokens_of
from drpo.rl.ppo import old_policy_stats, policy_gradients
from drpo.rl.trainer import train
from drpo.runs.demo import COMMON, SAMPLES
from drpo.types import Control, Observer, Sample

SIZES = (1, 2, 3)


class Listener(Observer):
    """Keeps what a run says, and stops it at a step."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.figures: dict[tuple[int, str], float] = {}
        self.episodes: list[tuple[Any, ...]] = []

    def control(self, step: int) -> Control:
        """Ask to stop at that step."""
        return Control(stop=step == self.until)

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Keep all but times."""
        for name, value in values.items():
            if not name.startswith(("timing", "eps")):
                self.figures[step, name] = value

    def samples(self, samples: list[Sample]) -> None:
        """Keep the episodes."""
        self.episodes += [
            (one.step, one.item, one.prefix, one.response)
            for one in samples
            if one.kind == "episode"
        ]


def settings(updates: int) -> RunConfig:
    values = COMMON | {"updates": updates, "lr_schedule": "constant", "checkpoint_every": 2}
    return RunConfig.of(
        **values,
        data=str(SAMPLES / "files/tldr.jsonl.gz"),
        heldout=str(SAMPLES / "files/tldr_heldout.jsonl.gz"),
        policy=str(SAMPLES / "models/tldr-policy"),
        reward_source="gold",
        advantage="gae",
        device="cpu",
    )


def gradients(ranks: Ranks, pairs: list[Pair]) -> dict[str, Any]:
    """The gradients of the first minibatch, of both networks, and its first ratio."""
    config = settings(3)
    models = load_models(config, gold=load_run_data(config, None).gold)
    episodes = prepare_episodes(models, pairs, config, observer=Listener(0))
    drawn = collect(models, episodes, config, 0, 0.5, Clock())
    epochs = split_minibatches(drawn.rollout, config, 0, ranks=ranks.size)
    old = old_policy_stats(models, drawn.rollout, epochs, config)
    credit = assign_credit(drawn.scores, old, drawn.rollout.acted, config, 0.2)
    minibatch, seen = epochs[0][0], (models, drawn.rollout, old, credit)
    _stir(models)
    found: dict[str, Any] = {}
    for part, add in (
        ("policy", partial(policy_gradients, *seen, minibatch, config, 0.2)),
        ("critic", partial(critic_gradients, models.critic, *seen, minibatch, config)),
    ):
        weights = {name: one for name, one in models.trained().items() if name.startswith(part)}
        tokens = tokens_of(drawn.rollout, minibatch)
        add_gradients(weights, models.precision, tokens, add, ranks)
        found[part] = torch.cat(
            [one.grad.flatten() for one in weights.values() if one.grad is not None]
        )
    return found


def _stir(models: Models) -> None:
    """A critic's head begins at zero, behind which its body has no gradient."""
    assert models.critic is not None
    with torch.no_grad():
        models.critic.head.weight.normal_(generator=torch.Generator().manual_seed(3))


def run(
    _ranks: Ranks, folder: Path, updates: int, begin: int | None, until: int
) -> tuple[Listener, torch.Tensor]:
    """A run from one update to another, from the checkpoint before it."""
    config = settings(updates)
    data = load_run_data(config, None)
    models, listener = load_models(config, gold=data.gold), Listener(until)
    state: TrainState | None = None
    if begin is not None:
        state = checkpoint.load(folder / folder_name(begin), models, config)
    train(models, data.train, data.heldout, config, listener, checkpoint_dir=folder, state=state)
    weights = [weight.detach().flatten() for weight in models.trained().values()]
    return listener, torch.cat(weights)


def on_ranks(size: int, name: str, *arguments: object) -> tuple[Any, float]:
    """What the first of so many processes came to, and the seconds of processor it took."""
    with tempfile.TemporaryDirectory() as place:
        context = multiprocessing.get_context("spawn")
        ends = [context.Pipe(duplex=False) for _ in range(size)]
        children = [
            context.Process(
                target=_be, args=(rank, size, place, ends[rank][1], name, arguments), daemon=True
            )
            for rank in range(size)
        ]
        for child in children:
            child.start()
        for _, sender in ends:
            sender.close()
        # By hand: a tensor sent as such stays shared memory of a process that ends at once. What is
        # read is of this program's own children.
        found = [pickle.loads(receiver.recv_bytes()) for receiver, _ in ends]
        for child in children:
            child.join()
    return found[0]


def _be(
    rank: int, size: int, place: str, sender: Connection, name: str, arguments: tuple[object, ...]
) -> None:
    torch.set_num_threads(1)
    work = {"gradients": gradients, "run": run}[name]
    with _place(rank, size, Path(place) / "meeting") as ranks:
        began = time.process_time()
        found = work(ranks, *arguments)
        sender.send_bytes(pickle.dumps((found, time.process_time() - began)))


@contextmanager
def _place(rank: int, size: int, meeting: Path) -> Iterator[Ranks]:
    if size == 1:
        yield ALONE
        return
    with joined(rank, size, meeting) as ranks, ranks.together():
        yield ranks


def _apart(found: torch.Tensor, expected: torch.Tensor) -> str:
    """The largest difference as a share of the largest entry, and that of the whole length."""
    most = float((found - expected).abs().max() / expected.abs().max())
    length = float((found - expected).norm() / expected.norm())
    return f"{most:.1e}, {length:.1e}"


def _row(name: str, found: tuple[Listener, torch.Tensor], alone: tuple[Listener, Any]) -> str:
    listener, weights = found
    equal = sum(a == b for a, b in zip(listener.episodes, alone[0].episodes, strict=True))
    assert listener.figures.keys() == alone[0].figures.keys()
    far = max(
        (abs(value - alone[0].figures[at]) / max(abs(alone[0].figures[at]), 1e-3), at)
        for at, value in listener.figures.items()
    )
    apart = _apart(weights, alone[1])
    return (
        f"| {name} | {equal} of {len(listener.episodes)} | {far[0]:.1e} ({far[1][1]}) | {apart} |"
    )


def main() -> None:
    pairs = load_run_data(settings(3), None).train
    print("| ranks | policy's gradient: largest difference, of its length | critic's |")
    print("|---|---|---|")
    found = {size: on_ranks(size, "gradients", pairs)[0] for size in SIZES}
    for size in SIZES[1:]:
        parts = [_apart(found[size][part], found[1][part]) for part in ("policy", "critic")]
        print(f"| {size} | {' | '.join(parts)} |")
    print()
    print("| run | episodes equal | largest difference of a metric | of the weights |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        place, seconds = Path(folder), {}
        short = {}
        for size in SIZES:
            short[size], seconds[size] = on_ranks(size, "run", place / f"short-{size}", 3, None, 3)
        for size in SIZES[1:]:
            print(_row(f"3 updates, {size} ranks", short[size], short[1]))
        straight, _ = on_ranks(1, "run", place / "straight", 6, None, 6)
        whole = Listener(6)
        begin: int | None = None
        for size, until in ((2, 2), (1, 4), (3, 6)):
            (part, weights), _ = on_ranks(size, "run", place / "moved", 6, begin, until)
            whole.figures |= part.figures
            whole.episodes += part.episodes
            begin = until
        print(_row("6 updates: 2 by 2 ranks, 2 by 1, 2 by 3", (whole, weights), straight))
    print()
    for size in SIZES:
        print(f"{size} ranks, 3 updates: {seconds[size]:.1f} s of processor time on each.")


if __name__ == "__main__":
    main()
