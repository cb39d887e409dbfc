"""`drpo eval RUN...`: finished runs on the same footing, win rates with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from drpo import metrics
from drpo.cli.options import Json
from drpo.cli.output import ProgressLine, figure, print_json, print_table, say
from drpo.errors import RunError
from drpo.evaluation import wording
from drpo.evaluation.chat_endpoint import ChatEndpoint
from drpo.evaluation.chat_judge import ChatJudge
from drpo.i18n import t
from drpo.store import Store

if TYPE_CHECKING:
    from drpo.evaluation.results import Evaluation


def evaluate_runs(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs, each an id or its beginning, which stand for themselves with the policy of "
            "their last evaluation; RUN@STEP for another one."
        ),
    ],
    as_json: Json = False,
    prompts: Annotated[int | None, typer.Option(min=2, help="Held-out prompts.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=5, help="Randomness of answers; 0 is greedy.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the sampling noise.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="Base URL of an OpenAI-compatible chat endpoint that judges, too."),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="Model name there.")] = None,
    judge_workers: Annotated[int, typer.Option(min=1, help="Questions in flight at once.")] = 4,
) -> None:
    """Evaluate runs on the same held-out prompts with the same sampling noise.

    The first run's held-out prompts, answer length, reward model and gold score serve for all.
    The judge's key is read from DRPO_JUDGE_API_KEY (for api.openai.com also OPENAI_API_KEY).
    """
    store = Store()
    from transformers.utils.logging import disable_progress_bar

    from drpo.evaluation.evaluate import Terms, evaluate
    from drpo.evaluation.policies import contestant  # loads torch

    disable_progress_bar()  # the one line of progress is ours
    contestants = [contestant(store, run) for run in runs]
    if len({one.key for one in contestants}) < len(contestants):
        raise RunError("A run is named twice at the same step; name each once.")
    line = ProgressLine()
    chat = _chat(store, judge, judge_model, line)
    if chat is not None:
        chat.workers = judge_workers

    def progress(what: str, done: int, total: int) -> None:
        stage = wording.stage_name(what)
        line.show(f"{stage} {done}/{total}" if total else stage)

    found = evaluate(
        store,
        contestants,
        terms=Terms(prompts, temperature, seed),
        judges=[] if chat is None else [chat],
        progress=progress,
    )
    line.end()
    document = found.to_dict()
    if chat is not None:
        document["judge"] = chat.tally.to_dict()
    if as_json:
        print_json(document)
        return
    _print(found)
    if chat is not None:
        counts = ", ".join(f"{name} {count}" for name, count in chat.tally.to_dict().items())
        say(t("cli.tally", name=chat.name, counts=counts), err=True)


def _chat(store: Store, url: str | None, model: str | None, line: ProgressLine) -> ChatJudge | None:
    if url is None:
        return None
    if model is None:
        raise RunError(f"The judge at {url} needs a model name; give --judge-model.")
    return ChatJudge(
        ChatEndpoint(url, model),
        store.documents,
        progress=lambda done, total: line.show(t("cli.judging", done=done, total=total)),
    )


def _print(found: Evaluation) -> None:
    rows = []
    for one in found.contestants:
        named = {one.contestant.key: one.figures, t("cli.its_start"): one.start_figures}
        for label, values in named.items():
            rows.append([label, *(_with_error(values, name) for name in metrics.COMPARED)])
    columns = map(metrics.short, metrics.COMPARED)
    print_table(rows, [t(f"cli.{name}") for name in ("run", *columns)])
    say(t("cli.figures_help"))
    for one in found.contestants:
        names = {"start": t("cli.start_policy"), "chosen": t("cli.chosen_answers")}
        for opponent, rate in one.win_rates:
            say(wording.preferred(one.contestant.key, names[opponent], rate.to_dict()))
    for subject, other, rate in found.duels:
        say(wording.preferred(subject, other, rate.to_dict()))
    for frontier in found.frontiers:
        say(wording.turning_point(frontier.run_id, frontier.curve))


def _with_error(values: dict[str, float], name: str) -> str:
    error = metrics.read(values, metrics.error_of(name))
    return figure(metrics.read(values, name)) + (
        f" +- {figure(error)}" if error is not None else ""
    )
