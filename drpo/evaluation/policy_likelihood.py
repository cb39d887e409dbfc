"""How likely the start policy finds the answers: a process of its own, as it loads torch.

Coverage is what the guarantee of DR-PO rests on (arXiv:2404.08495, Theorem 5.7): resets lead the
policy to where the data are, and it must be able to go on from there. It is measured as the mean
log-likelihood of each answer's tokens under the start policy, in nats.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drpo.data.library.upload_job import ReadUpload, run_upload_job
from drpo.data.pairs import Pair
from drpo.data.quality.summary_stats import histogram, summary
from drpo.data.reading import Progress
from drpo.errors import ModelError
from drpo.system.jobs import JobFolder
from drpo.system.limits import limit_this_process

MEASURED_PAIRS = 400
BATCH = 8


def measure_coverage(
    pairs: Sequence[Pair], model: Path, tell: Progress | None = None, *, seed: int = 0
) -> dict[str, Any]:
    """Measure a sample of pairs.

    Args:
        pairs: All pairs; at most MEASURED_PAIRS of them are drawn, with the seed.
        model: Folder of the start policy.
        tell: Told stage, done and total.
        seed: Which pairs are drawn.

    Returns:
        Nats a token: a row for each measured pair, summaries and a histogram.

    Raises:
        ModelError: The model or its tokenizer cannot be loaded.
    """
    import torch

    policy, tokenizer = _load(model)
    # A check must not take the machine from a run that is being watched.
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, 2])
    count = min(MEASURED_PAIRS, len(pairs))
    picked = [pairs[index] for index in sorted(rng.permutation(len(pairs))[:count])]
    texts = [(pair.prompt, answer) for pair in picked for answer in (pair.chosen, pair.rejected)]
    means: list[float | None] = []
    for start in range(0, len(texts), BATCH):
        means += _mean_log_likelihood(policy, tokenizer, texts[start : start + BATCH])
        if tell is not None:
            tell("coverage", len(means), len(texts))
    rows = [
        {"row": pair.row, "chosen": chosen, "rejected": rejected}
        for pair, chosen, rejected in zip(picked, means[::2], means[1::2], strict=True)
        if chosen is not None and rejected is not None
    ]
    chosen_means = [row["chosen"] for row in rows]
    rejected_means = [row["rejected"] for row in rows]
    return {
        "model": model.name,
        "unit": "nats per token",
        "measured": len(rows),
        "too_long": len(picked) - len(rows),
        "rows": rows,
        "chosen": summary(chosen_means),
        "rejected": summary(rejected_means),
        "histogram": histogram(chosen=chosen_means, rejected=rejected_means),
    }


def _load(model: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        policy = AutoModelForCausalLM.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(
            f"{model} cannot be loaded as a start policy ({reason}); choose a folder with a "
            "causal language model and its tokenizer."
        ) from error
    return policy.eval(), tokenizer


def _mean_log_likelihood(
    policy: Any,  # noqa: ANN401 - any causal language model
    tokenizer: Any,  # noqa: ANN401
    texts: Sequence[tuple[str, str]],
) -> list[float | None]:
    """Return the mean log-likelihood a token of each answer; None where it does not fit."""
    import torch

    context = getattr(policy.config, "max_position_embeddings", None) or 10**9
    starts, rows = [], []
    for prompt, answer in texts:
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        after = tokenizer(answer, add_special_tokens=False)["input_ids"]
        starts.append(max(1, len(before)))
        rows.append([*before, *after])
    fitting = [index for index, row in enumerate(rows) if starts[index] < len(row) <= context]
    found: list[float | None] = [None] * len(texts)
    if not fitting:
        return found
    longest = max(len(rows[index]) for index in fitting)
    ids = torch.zeros(len(fitting), longest, dtype=torch.long)
    there = torch.zeros(len(fitting), longest, dtype=torch.long)
    for place, index in enumerate(fitting):
        ids[place, : len(rows[index])] = torch.tensor(rows[index])
        there[place, : len(rows[index])] = 1
    with torch.inference_mode():
        logits = policy(input_ids=ids, attention_mask=there).logits[:, :-1].float()
        chosen = ids[:, 1:].unsqueeze(-1)
        per_token = logits.log_softmax(-1).gather(-1, chosen).squeeze(-1)
    for place, index in enumerate(fitting):
        # The log-probability of token t stands at t - 1.
        answer = per_token[place, starts[index] - 1 : len(rows[index]) - 1]
        found[index] = float(answer.mean())
    return found


def _report_with_coverage(job: JobFolder) -> dict[str, Any]:
    upload = ReadUpload(job)
    coverage = measure_coverage(upload.pairs.pairs, Path(job.options["model"]), job.progress)
    return upload.report(coverage)


if __name__ == "__main__":
    limit_this_process()
    sys.exit(run_upload_job(Path(sys.argv[1]), _report_with_coverage))
