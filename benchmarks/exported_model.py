"""The real demo's export, used as anyone would: what `generate` writes under `apply_chat_template`.

    python -m benchmarks.exported_model  # after benchmarks.real_demo; writes into docs/real-demo.md

Start model and export answer the held-out prompts through transformers alone, as many answers each,
from one seed. Gold is the lexicon's, the learned reward the run's own; an answer is finished where
the model's own end of turn came.
"""

from __future__ import annotations

import gzip
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.real_demo import PAGE, Z95, found, learned_by, name_of
from drpo.data.pairs import Prompt
from drpo.data.sentiment import SentimentScorer
from drpo.files import write_whole
from drpo.modeling.reward_model import load_reward_model
from drpo.runs import worker
from drpo.runs.demo import SAMPLES
from drpo.store import Store

BEGIN, END = "<!-- figures: python -m benchmarks.exported_model -->", "<!-- end of export -->"
HELDOUT = SAMPLES / "files" / "reviews_heldout.jsonl.gz"
AT_ONCE = 32


def conversations() -> list[list[dict[str, str]]]:
    """The held-out prompts as a chat interface would hand them over."""
    rows = [json.loads(line) for line in gzip.decompress(HELDOUT.read_bytes()).splitlines()]
    return [
        [{"role": "system", "content": row["system"]}, {"role": "user", "content": row["prompt"]}]
        for row in rows
    ]


def answers(folder: Path, config: dict[str, Any]) -> list[tuple[str, bool]]:
    """What a model writes to each prompt, and whether it came to the end of its turn."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    sampling, written = config["sampling"], []
    asked = conversations()
    torch.manual_seed(0)
    for begin in range(0, len(asked), AT_ONCE):
        read = tokenizer.apply_chat_template(
            asked[begin : begin + AT_ONCE],
            add_generation_prompt=True,
            padding=True,
            return_dict=True,
            return_tensors="pt",
        )
        made = model.generate(
            **read,
            do_sample=True,
            temperature=float(sampling["temperature"]),
            top_k=0,
            max_new_tokens=int(sampling["response_length"]),
        )
        for row in made[:, read["input_ids"].shape[1] :].tolist():
            text = tokenizer.decode(row, skip_special_tokens=True)
            written.append((text, tokenizer.eos_token_id in row))
    return written


def row_of(name: str, written: Sequence[tuple[str, bool]], judge: Path) -> str:
    """One line of the table."""
    prompts = [Prompt("", asked) for asked in conversations()]
    texts, ended = [text for text, _ in written], [end for _, end in written]
    warmth = SentimentScorer()
    gold = [warmth(text) for text in texts]
    learned = load_reward_model(judge).score_texts(prompts, texts, finished=ended)
    cells = [name, *(mean(values) for values in (gold, learned))]
    return f"| {' | '.join([*cells, f'{100 * statistics.fmean(ended):.0f} %'])} |"


def mean(values: Sequence[float]) -> str:
    """A mean with its 95 % interval."""
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):+.2f} ± {Z95 * error:.2f}"


def main() -> None:
    """Export the first seed's run and write the table."""
    store = Store()
    run = found(store, name_of(0))
    if run is None:
        raise SystemExit("There is no finished run; python -m benchmarks.real_demo makes it.")
    judge = Path(learned_by(store, run.name))
    lines = ["| model | gold | learned reward | turns finished |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, "export")
        worker.export(run.id, out, store)
        start = Path(str(run.config["models"]["policy"]))
        for word, folder in (("start", start), ("export", out)):
            lines.append(row_of(word, answers(folder, run.config), judge))
            print(lines[-1], flush=True)
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    write_whole(PAGE, "\n".join([head + BEGIN, "", *lines, "", END]) + tail)


if __name__ == "__main__":
    main()
