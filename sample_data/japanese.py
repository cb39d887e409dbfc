"""Sixty Japanese pairs, written for this project: a helpful answer against a poor one.

The text is in japanese.txt, one pair a line: question, good answer, and a curt, wrong or evasive
one.
"""

from pathlib import Path


def write_pairs() -> list[dict[str, str]]:
    """The pairs in the order written, as question and answer under Japanese headings."""
    text = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines()]
    return [
        {"prompt": f"質問：{question}\n回答：\n", "chosen": chosen, "rejected": rejected}
        for question, chosen, rejected in rows
    ]
