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
import torch
from transformers import PreTrainedModel

from drpo.data.library.upload_job import ReadUpload, run_upload_job
from drpo.data.pairs import Pair, Prompt
from drpo.data.quality.summary_stats import histogram, summary
from drpo.data.reading import Progress
from drpo.modeling.model_loading import context_length, load_causal
from drpo.modeling.models import load_vocabulary
from drpo.modeling.token_rows import pad_rows
from drpo.modeling.tokenization import Vocabulary
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
    policy, vocabulary = _load(model)
    # A check must not take the machine from a run that is being watched.
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, 2])
    count = min(MEASURED_PAIRS, len(pairs))
    picked = [pairs[index] for index in sorted(rng.permutation(len(pairs))[:count])]
    texts = [(pair.asked, answer) for pair in picked for answer in (pair.chosen, pair.rejected)]
    means: list[float | None] = []
    for start in range(0, len(texts), BATCH):
        means += _mean_log_likelihood(policy, vocabulary, texts[start : start + BATCH])
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


def _load(model: Path) -> tuple[PreTrainedModel, Vocabulary]:
    policy = load_causal(model)
    return policy.eval(), load_vocabulary(model, policy, "auto")


def _mean_log_likelihood(
    policy: PreTrainedModel, vocabulary: Vocabulary, texts: Sequence[tuple[Prompt, str]]
) -> list[float | None]:
    """Return the mean log-likelihood a token of each answer; None where it does not fit."""
    context = context_length(policy)
    rows = vocabulary.rows(*map(list, zip(*texts, strict=True)))
    fitting = [
        index
        for index, (ids, start) in enumerate(rows)
        if max(1, start) < len(ids) and (context is None or len(ids) <= context)
    ]
    found: list[float | None] = [None] * len(texts)
    if not fitting:
        return found
    ids, attended, _ = pad_rows([rows[index] for index in fitting], vocabulary.pad)
    with torch.inference_mode():
        logits = policy(input_ids=ids, attention_mask=attended.long()).logits[:, :-1].float()
        chosen = ids[:, 1:].unsqueeze(-1)
        per_token = logits.log_softmax(-1).gather(-1, chosen).squeeze(-1)
    for place, index in enumerate(fitting):
        tokens, start = rows[index]
        # The log-probability of token t stands at t - 1.
        found[index] = float(per_token[place, max(1, start) - 1 : len(tokens) - 1].mean())
    return found


def _report_with_coverage(job: JobFolder) -> dict[str, Any]:
    upload = ReadUpload(job)
    coverage = measure_coverage(upload.pairs.pairs, Path(job.options["model"]), job.progress)
    return upload.report(coverage)


if __name__ == "__main__":
    limit_this_process()
    sys.exit(run_upload_job(Path(sys.argv[1]), _report_with_coverage))
