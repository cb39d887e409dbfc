"""Train with resets and without them from Python, and see which policy is better.

The task gives a reward only where all seven facts of a summary are right, which the start policy
manages about once in a hundred answers: the case that resets are for.

    python examples/train_from_python.py                  # some minutes on two cores
    python examples/train_from_python.py --updates 2      # a glance
"""

from __future__ import annotations

import argparse

import drpo


def main(**settings: float) -> drpo.Evaluation:
    """Train twice from the same seed, print what came of it, and return the evaluation."""
    # Sample pairs and a tiny model; for your own: drpo.RunConfig.of(data=..., policy=..., ...).
    config = drpo.demo_config("strict", reward_model=None, num_ppo_epochs=1, **settings)
    with_resets = drpo.train(config.replace(name="with resets"))
    without = drpo.train(config.replace(name="without resets", method="ppo"))

    # One row an update, one column a metric; evaluations are on prompts that training never sees.
    for run in (with_resets, without):
        print(f"\n{run}\n{run.metrics()[['eval/gold', 'eval/gold_se', 'eval/kl']].dropna()}")

    # Answers as text, with where each began: `prefix` was given, `response` is the policy's own.
    for sample in with_resets.samples("episode", step=config.ppo.updates)[:3]:
        print(f"\n{sample.start}: [{sample.prefix}]{sample.response}  ({sample.score})")

    # Both policies answer the same prompts with the same sampling noise.
    evaluation = drpo.evaluate(without, with_resets)
    print(f"\n{evaluation.figures()[['gold', 'gold_se', 'kl']]}\n")
    rates = evaluation.win_rates()[["run", "against", "judge", "value", "low", "high"]]
    print(rates.to_string(index=False, float_format="%.2f"))

    # The model is an ordinary one; `export` writes it for from_pretrained, tokenizer included.
    model, tokenizer = with_resets.model(), with_resets.tokenizer()
    asked = tokenizer(with_resets.samples()[0].prompt, return_tensors="pt")
    written = model.generate(**asked, max_new_tokens=40, do_sample=False)
    print(f"\n{tokenizer.decode(written[0], skip_special_tokens=True)}")
    return evaluation


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=40)
    main(updates=parser.parse_args().updates)
