"""How often the 95 % interval of a win rate holds the true one: `python benchmarks/coverage.py`.

Reviews are simulated: prompts differ in their own win rate, each gets one to four votes, some of
them ties. Prints the table of docs/evaluation.md.
"""

import numpy as np

from drpo.stats.intervals import win_rate

REPETITIONS = 2000
RATES = (0.5, 0.65, 0.8, 0.9)
"""Share won of the votes that are no ties."""
TIES = 0.2
SPREAD = 3.0
"""How alike prompts are; lower is less."""


def with_ties(rate: float) -> float:
    """The win rate when ties count half."""
    return (1 - TIES) * rate + TIES / 2


def coverage(prompts: int, rate: float, rng: np.random.Generator) -> tuple[float, float]:
    """Share of simulated reviews whose interval holds the true rate, and its mean width."""
    truth = with_ties(rate)
    held, width = 0, 0.0
    for repetition in range(REPETITIONS):
        own = rng.beta(rate * SPREAD, (1 - rate) * SPREAD, prompts)
        prompt = np.repeat(np.arange(prompts), rng.integers(1, 5, prompts))
        outcome = (rng.random(prompt.size) < own[prompt]).astype(float)
        outcome[rng.random(prompt.size) < TIES] = 0.5
        interval = win_rate(outcome, prompt, draws=1000, seed=repetition)
        held += interval.low <= truth <= interval.high
        width += interval.high - interval.low
    return held / REPETITIONS, width / REPETITIONS


def main() -> None:
    rng = np.random.default_rng(0)
    print(
        "| prompts | "
        + " | ".join(f"true rate {100 * with_ties(rate):.0f} %" for rate in RATES)
        + " |"
    )
    print("|" + "---|" * (len(RATES) + 1))
    for prompts in (10, 20, 50, 100, 200):
        cells = [coverage(prompts, rate, rng) for rate in RATES]
        told = [f"{100 * held:.1f} % ({100 * width:.0f})" for held, width in cells]
        print(f"| {prompts} | " + " | ".join(told) + " |", flush=True)


if __name__ == "__main__":
    main()
