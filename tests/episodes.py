"""Training episodes as the store gives them, for tests of what is drawn of resets."""

from drpo.store.schema import SampleRow


def episode(
    start="reset", *, prefix=5, length=20, score=None, gold=None, kl=None, own=None, own_gold=None
):
    """An episode; `own` and `own_gold` are the scores of the data's own answer."""
    return SampleRow(
        kind="episode",
        start=start,
        prefix_tokens=prefix if start == "reset" else 0,
        offline_tokens=length,
        score=score,
        gold=gold,
        kl=kl,
        offline_score=own,
        offline_gold=own_gold,
        prompt="p",
        response="r",
    )


EPISODES = [
    episode("reset", score=1.0, gold=4.0, kl=0.5, own=0.25, own_gold=6.0),
    episode("reset", score=2.0, gold=5.0, kl=1.5, own=0.75, own_gold=7.0),
    episode("prompt", score=0.5, gold=3.0, kl=2.5),
]
"""One update's: two resets and a prompt start."""
