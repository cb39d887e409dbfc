"""Recognise what a file's columns are, from their names and a sample of their content."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal

from drpo.data.labels import decide_codes
from drpo.data.layout import Layout, code_of, name_words, normal_name
from drpo.data.limits import AmbiguousError, UnreadableError
from drpo.data.transcripts import is_transcript

Content = Literal["text", "number", "messages", "other"]

PROMPT = ("prompt", "instruction", "question", "query", "question_text", "user_input", "context",
          "history", "post", "user", "human", "input", "user_prompt", "user_query", "problem",
          "article", "document", "source_text", "message", "text")  # fmt: skip
HISTORY = ("prompt", "conversations", "conversation", "messages", "history", "context")
CHOSEN = {"chosen", "preferred", "accepted", "better", "good", "best", "winning", "winner",
          "positive", "pos", "selected", "favored", "favoured", "liked"}  # fmt: skip
REJECTED = {"rejected", "dispreferred", "nonpreferred", "unpreferred", "worse", "bad", "worst",
            "losing", "loser", "negative", "neg", "unselected", "disliked"}  # fmt: skip
ANSWER = {"answer", "response", "output", "completion", "reply", "summary", "generation",
          "responses", "conversation", "candidate", "continuation", "responce", "ref",
          "option", "text", "message"}  # fmt: skip
ASIDE = {"id", "ids", "model", "models", "score", "rating", "source", "reason", "explanation",
         "tokens", "token", "length", "avg", "metadata", "name", "logprob", "policy", "rationale",
         "lang", "language", "annotator", "reviewer", "count", "index", "hash"}  # fmt: skip
STRONG_LABEL = {"winner", "preferred", "preference", "label", "labels", "choice", "better",
                "judgment", "judgement", "vote", "annotator", "rater", "annotation", "verdict",
                "chosen"}  # fmt: skip
WEAK_LABEL = {"score", "rating", "result", "rank", "judge", "overall"}
NEVER_LABEL = {"reason", "explanation", "model", "text", "time", "language", "confidence"}
SIDES = (("1", "2"), ("0", "1"), ("a", "b"), ("left", "right"), ("first", "second"), ("j", "k"),
         ("x", "y"))  # fmt: skip
MOST_CODES = 24


@dataclass
class Column:
    """One column as the sample shows it."""

    name: str
    content: Content = "other"
    codes: set[str] = field(default_factory=set)
    filled: int = 0
    words: list[str] = field(default_factory=list)


def recognise(sample: Sequence[Mapping[str, Any]], name: str) -> Layout:
    """Find the layout of a file from its first rows.

    Args:
        sample: Rows that could be read, at least one.
        name: The file's name, for messages.

    Raises:
        AmbiguousError: Several layouts fit; the message asks.
        UnreadableError: None fits; the message names the columns and what was expected.
    """
    columns = describe_columns(sample)
    attempts: tuple[Callable[[], Layout | None], ...] = (
        lambda: _told_apart(columns, sample),
        lambda: _marked(columns, sample),
        lambda: _unmarked(columns),
        lambda: _demonstrations(columns),
    )
    for attempt in attempts:
        layout = attempt()
        if layout is not None:
            return layout
    shown = ", ".join(repr(column[:40]) for column in list(columns)[:12])
    raise UnreadableError(
        f"{name}: no preference pairs recognised in its columns {shown or '(none)'}. Expected "
        "prompt, chosen and rejected, or two answers with a judgement; say which is which with "
        "--map prompt=...,chosen=...,rejected=... or in the form on the Data screen."
    )


def describe_columns(sample: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Sum up each column of the sample."""
    columns: dict[str, Column] = {}
    seen: dict[str, dict[Content, int]] = {}
    for row in sample:
        for name, value in row.items():
            column = columns.setdefault(name, Column(name, words=name_words(name)))
            if value is None or value == "":
                continue
            column.filled += 1
            content = _content(value)
            counts = seen.setdefault(name, {})
            counts[content] = counts.get(content, 0) + 1
            if len(column.codes) <= MOST_CODES and not isinstance(value, list | dict):
                column.codes.add(code_of(value))
    for name, counts in seen.items():
        columns[name].content = max(counts, key=lambda content: counts[content])
    return columns


def _content(value: Any) -> Content:  # noqa: ANN401
    if isinstance(value, bool):
        return "other"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        if value.startswith("[") and messages_in_text(value) is not None:
            return "messages"
        return "number" if len(value) < 24 and _is_number(value) else "text"
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, dict) and {"role", "from", "content"} & first.keys():
        return "messages"
    return "other"


def messages_in_text(value: str) -> list[Any] | None:
    """Read a message list that a table holds as JSON text."""
    if not value.startswith("["):
        return None
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, list) and parsed and isinstance(parsed[0], dict) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _texts(columns: Mapping[str, Column]) -> list[Column]:
    return [column for column in columns.values() if column.content in ("text", "messages")]


def _told_apart(
    columns: Mapping[str, Column], sample: Sequence[Mapping[str, Any]]
) -> Layout | None:
    """Two columns say by name which answer is the better one."""
    chosen = _one_of(columns, CHOSEN, "the chosen answer")
    rejected = _one_of(columns, REJECTED, "the rejected answer")
    if chosen is None or rejected is None:
        # StackExchange pairs by convention: response_j is preferred to response_k.
        found = {normal_name(name): name for name in columns}
        if not {"response_j", "response_k"} <= found.keys():
            return None
        chosen, rejected = columns[found["response_j"]], columns[found["response_k"]]
    rest = {n: c for n, c in columns.items() if n not in (chosen.name, rejected.name)}
    base = Layout(
        "explicit", chosen=chosen.name, rejected=rejected.name, scores=_scores_of(rest),
        margin=_margin_of(rest), system=named(rest, ("system", "system_prompt")),
    )  # fmt: skip
    pair = f"{chosen.name!r} over {rejected.name!r}"
    if "messages" in (chosen.content, rejected.content):
        history = named(rest, HISTORY, ("messages",)) or named(rest, PROMPT)
        reason = f"{pair} hold messages" + (f", {history!r} what came before" if history else "")
        return replace(base, shape="messages", prompt=history, reason=f"{reason}.")
    if _are_transcripts(sample, chosen.name, rejected.name):
        reason = f"{pair} are whole dialogues; the prompt is all they share."
        return replace(base, shape="transcripts", reason=reason)
    prompt = find_prompt(rest)
    if not prompt:
        history = named(rest, HISTORY, ("messages",))
        if history:
            reason = f"{pair} go on from the messages in {history!r}."
            return replace(base, shape="messages", prompt=history, reason=reason)
        raise AmbiguousError(
            f"{pair} were found, but no column with the prompt among "
            f"{', '.join(repr(n) for n in list(rest)[:8]) or 'no others'}. Say which it is with "
            "--map prompt=COLUMN, or in the form on the Data screen."
        )
    second = _input_of(rest, prompt)
    beside = f" and {second!r}" if second else ""
    reason = f"The columns are named so: {pair}, asked in {prompt!r}{beside}."
    return replace(base, prompt=prompt, input=second, reason=reason)


def _one_of(columns: Mapping[str, Column], words: set[str], what: str) -> Column | None:
    found = [
        column
        for column in _texts(columns)
        if words & set(column.words) and not ASIDE & set(column.words)
    ]
    if not found:
        return None
    fewest = min(len(column.words) for column in found)
    best = [column for column in found if len(column.words) == fewest]
    if len(best) > 1:
        raise AmbiguousError(
            f"{' and '.join(repr(column.name) for column in best[:4])} could each be {what}. Say "
            "which with --map chosen=COLUMN,rejected=COLUMN, or in the form on the Data screen."
        )
    return best[0] if best[0].content == "messages" or len(best[0].codes) > 0 else None


def named(
    columns: Mapping[str, Column],
    names: Sequence[str],
    contents: Sequence[Content] = ("text", "number"),
) -> str:
    """Return the first column that has one of the names and fitting content."""
    normal = {normal_name(name): name for name, c in columns.items() if c.content in contents}
    return next((normal[name] for name in names if name in normal), "")


def find_prompt(columns: Mapping[str, Column]) -> str:
    """Return the column with the prompt, empty if there is none."""
    exact = named(columns, PROMPT)
    if exact:
        return exact
    wanted = {"prompt", "instruction", "question", "query"}
    found = [c for c in _texts(columns) if wanted & set(c.words) and not ASIDE & set(c.words)]
    if len(found) > 1:
        raise AmbiguousError(
            f"{' and '.join(repr(column.name) for column in found[:4])} could each be the prompt. "
            "Say which with --map prompt=COLUMN, or in the form on the Data screen."
        )
    return found[0].name if found else ""


def _input_of(columns: Mapping[str, Column], prompt: str) -> str:
    if normal_name(prompt) != "instruction":
        return ""
    return named(columns, ("input", "context"))


def _scores_of(columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Find a score for each of chosen and rejected."""
    scored = {"score", "rating", "reward"}
    found = []
    for words in ({"chosen"}, {"rejected"}):
        names = [
            c.name for c in columns.values()
            if c.content == "number" and words & set(c.words) and scored & set(c.words)
        ]  # fmt: skip
        found.append(names[0] if len(names) == 1 else "")
    return tuple(found) if all(found) else ()


def _margin_of(columns: Mapping[str, Column]) -> str:
    return named(columns, ("margin", "preference_margin"), ("number",))


def _are_transcripts(sample: Sequence[Mapping[str, Any]], chosen: str, rejected: str) -> bool:
    texts = [row[name] for row in sample for name in (chosen, rejected) if row.get(name)]
    dialogues = sum(isinstance(text, str) and is_transcript(text) for text in texts)
    return dialogues * 2 > len(texts)


def _marked(columns: Mapping[str, Column], sample: Sequence[Mapping[str, Any]]) -> Layout | None:
    """Two answers whose names differ by a mark (1 and 2, a and b), and a judgement."""
    found = [
        (first, second, markers, stem)
        for markers in SIDES
        for first, second, stem in _marked_pairs(_texts(columns), markers)
        if ANSWER & set(stem) and not ASIDE & set(stem)
    ]
    if not found:
        return None
    if len(found) > 1:
        raise AmbiguousError(
            "Several columns could be the two answers: "
            + "; ".join(f"{f.name!r} and {s.name!r}" for f, s, _, _ in found[:4])
            + ". Say which with --map first=COLUMN,second=COLUMN."
        )
    first, second, markers, _ = found[0]
    rest = {n: c for n, c in columns.items() if n not in (first.name, second.name)}
    prompt = find_prompt({n: c for n, c in rest.items() if c.content == "text"}) or named(
        rest, HISTORY, ("messages",)
    )
    if not prompt and first.content != "messages":
        if _are_transcripts(sample, first.name, second.name):
            prompt = ""
        else:
            raise AmbiguousError(
                f"{first.name!r} and {second.name!r} look like the answers, but no column looks "
                "like the prompt. Say which it is with --map prompt=COLUMN."
            )
    return _judged(first, second, markers, rest, prompt)


def _marked_pairs(
    columns: Sequence[Column], markers: tuple[str, str]
) -> list[tuple[Column, Column, list[str]]]:
    pairs = []
    by_words = {tuple(column.words): column for column in columns}
    for column in columns:
        for index, word in enumerate(column.words):
            if word == markers[0]:
                twin = by_words.get((*column.words[:index], markers[1], *column.words[index + 1 :]))
                if twin is not None:
                    stem = [*column.words[:index], *column.words[index + 1 :]]
                    pairs.append((column, twin, stem))
    return pairs


def _judged(
    first: Column, second: Column, markers: tuple[str, str], rest: Mapping[str, Column], prompt: str
) -> Layout:
    """Complete a layout of two answers by what says which one is better."""
    base = Layout(
        "answers", prompt=prompt, first=first.name, second=second.name,
        input=_input_of(rest, prompt) if prompt else "",
    )  # fmt: skip
    answers = f"{first.name!r} and {second.name!r} are the two answers"
    one_hot = _one_hot(rest)
    if one_hot:
        reason = f"{answers}; a 1 in {', '.join(map(repr, one_hot))} says which won."
        return replace(base, one_hot=one_hot, reason=reason)
    scores = _score_pair(rest, markers)
    labels = find_labels(rest)
    if scores and not any(STRONG_LABEL & set(label.words) for label in labels):
        reason = f"{answers}; the higher of {scores[0]!r} and {scores[1]!r} wins, equal is a tie."
        return replace(base, scores=scores, reason=reason)
    if not labels:
        raise AmbiguousError(
            f"{answers}, but no column says which one is better. Say which it is with "
            "--map labels=COLUMN, or in the form on the Data screen."
        )
    names = _author_columns(rest, labels)
    label_names = tuple(label.name for label in labels)
    if names:
        reason = f"{answers}; {labels[0].name!r} names the winner of {names[0]!r} and {names[1]!r}."
        return replace(base, labels=label_names, names=names, reason=reason)
    values = {code for label in labels for code in label.codes}
    codes = decide_codes(values, (first.name, second.name), markers, labels[0].name)
    said = ", ".join(f"{code} = {outcome}" for code, outcome in codes.items() if code in values)
    who = f"the majority of {len(labels)} annotators" if len(labels) > 1 else repr(labels[0].name)
    reason = f"{answers}; {who} says which is better ({said}; empty = not judged)."
    return replace(base, labels=label_names, codes=codes, reason=reason)


def find_labels(rest: Mapping[str, Column]) -> list[Column]:
    """Return the column, or the annotators' columns, that say which answer is better."""
    few = [
        c for c in rest.values()
        if c.content != "messages" and 0 < len(c.codes) <= MOST_CODES
        and not NEVER_LABEL & set(c.words)
    ]  # fmt: skip
    strong = [c for c in few if STRONG_LABEL & set(c.words) and "id" not in c.words]
    strong = strong or [c for c in few if STRONG_LABEL & set(c.words)]
    if len(strong) > 1:
        stems = {tuple(word for word in c.words if not word.isdigit()) for c in strong}
        numbered = all(any(word.isdigit() for word in c.words) for c in strong)
        if len(stems) > 1 or not numbered:
            raise AmbiguousError(
                f"{' and '.join(repr(c.name) for c in strong[:4])} could each say which answer is "
                "better. Say which does with --map labels=COLUMN (annotators: labels=A+B+C)."
            )
    if strong:
        return strong
    weak = [c for c in few if WEAK_LABEL & set(c.words)]
    return weak if len(weak) == 1 else []


def _one_hot(rest: Mapping[str, Column]) -> tuple[str, ...]:
    flags = [c for c in rest.values() if c.codes and c.codes <= {"0", "1", "true", "false"}]
    for first, second in combinations(flags, 2):
        stem = set(first.words) & set(second.words)
        only = (set(first.words) - stem, set(second.words) - stem)
        if only == ({"a"}, {"b"}) or only == ({"1"}, {"2"}):
            tie = next((c.name for c in flags if "tie" in c.words), "")
            return (first.name, second.name, tie)
    return ()


def _score_pair(rest: Mapping[str, Column], markers: tuple[str, str]) -> tuple[str, ...]:
    numbers = [c for c in rest.values() if c.content == "number"]
    for first, second, stem in _marked_pairs(numbers, markers):
        if {"score", "rating", "reward"} & set(stem):
            return (first.name, second.name)
    return ()


def _author_columns(rest: Mapping[str, Column], labels: Sequence[Column]) -> tuple[str, ...]:
    """Find columns with the answers' authors, when the label names the winning author."""
    texts = [c for c in rest.values() if c.content == "text"]
    for markers in SIDES:
        for first, second, stem in _marked_pairs(texts, markers):
            known = first.codes | second.codes
            winners = {code for label in labels for code in label.codes if len(code) > 1}
            if "model" in stem and len(labels) == 1 and winners and winners & known:
                return (first.name, second.name)
    return ()


def _unmarked(columns: Mapping[str, Column]) -> Layout | None:
    """Two answers with names of their own, and a label whose codes name them."""
    texts = {
        c.name: c for c in _texts(columns)
        if (ANSWER - {"text", "message"}) & {word.rstrip("s") for word in c.words}
        and not ASIDE & set(c.words)
    }  # fmt: skip
    labels = [c for c in columns.values() if STRONG_LABEL & set(c.words) and c.name not in texts]
    if len(texts) != 2 or not labels:
        return None
    first, second = texts.values()
    rest = {n: c for n, c in columns.items() if n not in texts}
    prompt = find_prompt(rest)
    return _judged(first, second, ("", ""), rest, prompt) if prompt else None


def _demonstrations(columns: Mapping[str, Column]) -> Layout | None:
    """A prompt and one answer: nothing to compare, but good to reset into."""
    messages = named(columns, ("messages", "conversations", "conversation"), ("messages",))
    if messages:
        reason = f"{messages!r} holds dialogues with one answer each: demonstrations for resets."
        return Layout("demonstrations", prompt=messages, response=messages, reason=reason)
    response = named(
        columns,
        ("response", "output", "completion", "answer", "demonstration", "summary", "target"),
    )
    rest = {n: c for n, c in columns.items() if n != response}
    prompt = find_prompt(rest)
    if not response or not prompt:
        return None
    return Layout(
        "demonstrations", prompt=prompt, input=_input_of(rest, prompt), response=response,
        reason=f"{prompt!r} with one answer in {response!r}: demonstrations for resets, no pairs.",
    )  # fmt: skip
