"""How probable each pair's label is, by a preference model that has not seen the pair.

The model is Bradley-Terry on features, P(chosen better) = sigmoid(w . (f(chosen) - f(rejected))): a
logistic regression without intercept. Prompts are dealt to folds, near duplicates together, and
each fold is judged by the model fitted to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, log_expit
from sklearn.linear_model import LogisticRegression

from drpo.data.labels.features import PairFeatures
from drpo.data.library.splits import prompt_groups
from drpo.data.pairs import Pair
from drpo.errors import DataError

FOLDS = 5
FEWEST_PAIRS, FEWEST_PROMPTS = 40, 10
FITTED = 20_000
"""More pairs than these are drawn to fit to: beyond, accuracy hardly moves and time does."""
AT_ONCE = 5_000
STRENGTHS = (0.01, 0.1, 1.0)
"""Inverse penalties that are tried; the one that predicts unseen labels best is taken."""

Floats = NDArray[np.float64]
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What models that had not seen a pair say of it; one entry a pair."""

    probability: Floats
    """That the label is right."""
    rest: Floats | None
    """The same from everything but length; None where the model does not tell them apart."""
    length: Floats | None
    """The same from length alone."""
    groups: NDArray[np.int64]
    """Pairs with nearly the same prompt share a number."""
    cross_fitted: bool = True


def cross_fit(pairs: Sequence[Pair], *, seed: int = 0, tell: Tell | None = None) -> OutOfFold:
    """Judge every pair by a model fitted to other prompts.

    Args:
        pairs: All pairs.
        seed: Deals prompts to folds and draws what is fitted to.
        tell: Told stage, how much is done and of how much.

    Raises:
        DataError: There are too few pairs or prompts to learn from.
    """
    groups = groups_of(pairs)
    folds = deal(groups, seed=seed)
    rng = np.random.default_rng([seed, 4])
    drawn = np.sort(rng.permutation(len(pairs))[:FITTED])
    tell = tell or (lambda _stage, _done, _total: None)
    tell("features", 0, 0)
    sample = [pairs[index] for index in drawn]
    features = PairFeatures(sample)
    known = features(sample)
    signs = rng.choice([-1.0, 1.0], len(drawn))
    best: tuple[float, list[Floats]] | None = None
    for step, strength in enumerate(STRENGTHS):
        tell("fit", step, len(STRENGTHS) + 1)
        weights = _fitted(known, signs, folds[drawn], strength)
        logits = _judged(known, folds[drawn], weights)[0]
        likelihood = float(log_expit(logits).mean())
        if best is None or likelihood > best[0]:
            best = likelihood, weights
    if best is None:
        raise ValueError("no strength was tried")
    by_length = _fitted(known[:, :1].tocsr(), signs, folds[drawn], 1.0)
    parts = []
    for begin in range(0, len(pairs), AT_ONCE):
        tell("judge", begin, len(pairs))
        rows = features(pairs[begin : begin + AT_ONCE])
        here = folds[begin : begin + AT_ONCE]
        whole, rest = _judged(rows, here, best[1])
        parts.append((whole, rest, _judged(rows[:, :1].tocsr(), here, by_length)[0]))
    logits, rest, length = (np.concatenate(part) for part in zip(*parts, strict=True))
    return OutOfFold(expit(logits), expit(rest), expit(length), groups)


def probabilities_of(gaps: Floats) -> Floats:
    """Return how probable labels are, of scores whose scale means nothing.

    The one number that turns gaps into logits is fitted to the labels; one number learns no label
    by heart.

    Args:
        gaps: By how much each chosen answer outscores the rejected one.
    """
    spread = float(np.sqrt(np.mean(gaps**2))) or 1.0
    signs = np.where(np.arange(len(gaps)) % 2, 1.0, -1.0)
    model = LogisticRegression(C=100.0, fit_intercept=False)
    model.fit((gaps * signs / spread)[:, None], signs > 0)
    return np.asarray(expit(model.coef_[0, 0] * gaps / spread))


def groups_of(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    """Number the prompts, near duplicates alike.

    Raises:
        DataError: There are too few pairs or prompts for a check of labels.
    """
    groups = np.array(prompt_groups(pairs)[0], dtype=np.int64)
    prompts = len(set(groups.tolist()))
    if len(pairs) < FEWEST_PAIRS or prompts < FEWEST_PROMPTS:
        raise DataError(
            f"A check of labels learns from other pairs: expected at least {FEWEST_PAIRS} pairs "
            f"with {FEWEST_PROMPTS} different prompts, got {len(pairs)} with {prompts}. Read so "
            "few yourself, or add them to a larger set."
        )
    return groups


def deal(groups: NDArray[np.int64], *, seed: int, folds: int = FOLDS) -> NDArray[np.int64]:
    """Deal whole groups to folds of nearly equal size, the largest first; return each's fold."""
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng([seed, 3]).permutation(len(names))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    filled, fold = np.zeros(folds), np.zeros(len(names), dtype=np.int64)
    for name in order:
        fold[name] = int(np.argmin(filled))
        filled[fold[name]] += sizes[name]
    return fold[place]


def _fitted(
    rows: sparse.csr_matrix, signs: Floats, folds: NDArray[np.int64], strength: float
) -> list[Floats]:
    """Weights for each fold, fitted to all others.

    Half of the pairs are turned around: the likelihood is the same, and the fit has two classes.
    """
    turned = sparse.diags(signs) @ rows
    weights = []
    for fold in range(FOLDS):
        here = folds != fold
        model = LogisticRegression(C=strength, fit_intercept=False, max_iter=300, tol=1e-3)
        weights.append(model.fit(turned[here], signs[here] > 0).coef_[0])
    return weights


def _judged(
    rows: sparse.csr_matrix, folds: NDArray[np.int64], weights: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Logits that the label is right, and the same without the first column, length."""
    logits, first = np.zeros(len(folds)), rows[:, 0].toarray()[:, 0]
    rest = np.zeros(len(folds))
    for fold, weight in enumerate(weights):
        here = folds == fold
        logits[here] = rows[here] @ weight
        rest[here] = logits[here] - first[here] * weight[0]
    return logits, rest
