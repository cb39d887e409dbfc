"""One small file in every form of preference data that people bring, all from the same few rows."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

Row = dict[str, Any]


def write_formats(folder: Path, pairs: Sequence[dict[str, str]]) -> None:
    """Write every form of (prompt, chosen, rejected) rows into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plain: list[Row] = [
        {
            "prompt": row["prompt"],
            "chosen": row["chosen"].strip(),
            "rejected": row["rejected"].strip(),
        }
        for row in pairs
    ]
    for ending, encode in _CONTAINERS.items():
        content = encode(plain)
        write_bytes(folder / f"pairs.{ending}", content)
        write_bytes(folder / f"pairs.{ending}.gz", gzip.compress(content, mtime=0))
        write_zip(folder / f"pairs.{ending}.zip", f"pairs.{ending}", content)
    write_bytes(folder / "pairs_in_an_object.json", _json({"version": 1, "data": plain}))
    for name, shape in _SHAPES.items():
        rows = [shape(row, at) for at, row in enumerate(plain)]
        write_bytes(folder / name, _encoder(name)(rows))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, its folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_zip(path: Path, name: str, content: bytes) -> None:
    """Write an archive of one file, the same bytes every time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
        archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def jsonl(rows: Sequence[Row]) -> bytes:
    """A JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _delimited(delimiter: str) -> Callable[[Sequence[Row]], bytes]:
    def encode(rows: Sequence[Row]) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    return encode


def _parquet(rows: Sequence[Row]) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


def _arrow(rows: Sequence[Row]) -> bytes:
    sink = io.BytesIO()
    pa.feather.write_feather(pa.Table.from_pylist(list(rows)), sink, compression="uncompressed")
    return sink.getvalue()


_CONTAINERS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    "jsonl": jsonl,
    "json": lambda rows: _json(list(rows)),
    "csv": _delimited(","),
    "tsv": _delimited("\t"),
    "parquet": _parquet,
    "arrow": _arrow,
}


def _encoder(name: str) -> Callable[[Sequence[Row]], bytes]:
    return _CONTAINERS[name.rsplit(".", 1)[1]]


def _hh_transcript(row: Row, _: int) -> Row:
    opening = f"\n\nHuman: {row['prompt']}\n\nAssistant:"
    return {"chosen": f"{opening} {row['chosen']}", "rejected": f"{opening} {row['rejected']}"}


def _said(role: str, text: object) -> Row:
    return {"role": role, "content": text}


def _messages(row: Row, _: int) -> Row:
    user = _said("user", row["prompt"])
    return {
        "chosen": [user, _said("assistant", row["chosen"])],
        "rejected": [user, _said("assistant", row["rejected"])],
    }


def _typed_parts(row: Row, _: int) -> Row:
    def part(text: str) -> list[Row]:
        return [{"type": "text", "text": text}]

    user = _said("user", part(row["prompt"]))
    return {
        "chosen_messages": [user, _said("assistant", part(row["chosen"]))],
        "rejected_messages": [user, _said("assistant", part(row["rejected"]))],
    }


def _sharegpt(row: Row, _: int) -> Row:
    return {
        "conversations": [{"from": "human", "value": row["prompt"]}],
        "chosen": {"from": "gpt", "value": row["chosen"]},
        "rejected": {"from": "gpt", "value": row["rejected"]},
    }


_TASK = "Summarise the post in one sentence."


def _instruction(row: Row, _: int) -> Row:
    return {
        "instruction": _TASK,
        "input": row["prompt"],
        "chosen": row["chosen"],
        "rejected": row["rejected"],
    }


def _instruction_demonstration(row: Row, _: int) -> Row:
    return {"instruction": _TASK, "input": row["prompt"], "output": row["chosen"]}


def _response_jk(row: Row, at: int) -> Row:
    # response_j is the better answer, as in the Stack Exchange data this form comes from.
    return {
        "qid": at,
        "question": row["prompt"],
        "response_j": row["chosen"],
        "response_k": row["rejected"],
    }


def _two_answers(row: Row, at: int) -> Row:
    first, second = (
        (row["chosen"], row["rejected"]) if at % 2 == 0 else (row["rejected"], row["chosen"])
    )
    label = "tie" if at % 7 == 6 else "A" if at % 2 == 0 else "B"
    return {"question": row["prompt"], "answer_a": first, "answer_b": second, "label": label}


def _arena(row: Row, at: int) -> Row:
    first, second = (
        (row["chosen"], row["rejected"]) if at % 2 == 0 else (row["rejected"], row["chosen"])
    )
    user = _said("user", row["prompt"])
    return {
        "model_a": "north",
        "model_b": "south",
        "winner": "tie" if at % 7 == 6 else "model_a" if at % 2 == 0 else "model_b",
        "conversation_a": [user, _said("assistant", first)],
        "conversation_b": [user, _said("assistant", second)],
    }


def _demonstration(row: Row, _: int) -> Row:
    return {"prompt": row["prompt"], "response": row["chosen"]}


_SHAPES: dict[str, Callable[[Row, int], Row]] = {
    "hh_transcripts.jsonl": _hh_transcript,
    "messages.jsonl": _messages,
    "typed_parts.jsonl": _typed_parts,
    "sharegpt.json": _sharegpt,
    "instruction_input.json": _instruction,
    "response_j_k.csv": _response_jk,
    "two_answers_label.csv": _two_answers,
    "arena.jsonl": _arena,
    "demonstrations.jsonl": _demonstration,
    "demonstrations_instruction_input_output.json": _instruction_demonstration,
}
