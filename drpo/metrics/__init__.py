"""Every metric that a run logs, declared once: name, unit, colour, chart, and which way is better.

To add a metric: declare it here, write its value under the declared name where it is computed
(`drpo.rl.metrics` for updates, `drpo.rl.heldout` for evaluations), and give it a sentence of help
under its name in `drpo/i18n/metrics.toml`. Its chart in the list of all metrics on Live, its colour
wherever it is drawn, its choice on Compare, its column in the CSV file and its row in
`docs/metrics.md` (`make metrics`) follow from these; tests say what is missing.

Names are TRL's where TRL has the metric, so that curves can be laid beside those of other tools.
They never change: series are stored under them. Each constant is its metric's name in capitals with
`_` for `/`; `metrics.of` tells what was declared of a name, and takes a name that nobody declared
at its word.
"""

from drpo.metrics.registry import (
    OWN_STEPS,
    Meaning,
    Metric,
    Stage,
    declare,
    declared,
    error_of,
    in_stage,
    of,
    on_chart,
    part_of,
    read,
    short,
)

__all__ = [
    "OWN_STEPS",
    "Meaning",
    "Metric",
    "Stage",
    "declared",
    "error_of",
    "in_stage",
    "of",
    "on_chart",
    "part_of",
    "read",
    "short",
]

# The episodes of a policy update.

OBJECTIVE_SCORES = declare(
    Metric(
        "objective/scores",
        "score",
        "learned",
        better="higher",
        title="learned_reward",
        chart="resets",
        by_start=True,
    )
)
OBJECTIVE_GOLD = declare(
    Metric(
        "objective/gold",
        "score",
        "gold",
        better="higher",
        title="gold_reward",
        chart="resets",
        by_start=True,
    )
)
OBJECTIVE_KL = declare(
    Metric("objective/kl", "nats per answer", "kl", title="kl", chart="resets", by_start=True)
)
OBJECTIVE_KL_K3 = declare(Metric("objective/kl_k3", "nats per answer", "kl"))
OBJECTIVE_KL_COEF = declare(Metric("objective/kl_coef", "score per nat", "kl"))
OBJECTIVE_ENTROPY = declare(Metric("objective/entropy", "nats per answer"))
OBJECTIVE_NON_SCORE_REWARD = declare(Metric("objective/non_score_reward", "score", "kl"))
OBJECTIVE_RLHF_REWARD = declare(
    Metric("objective/rlhf_reward", "score", "learned", better="higher")
)
POLICY_APPROXKL_AVG = declare(Metric("policy/approxkl_avg", "nats per token", "kl"))
POLICY_CLIPFRAC_AVG = declare(Metric("policy/clipfrac_avg", "share"))
POLICY_ENTROPY_AVG = declare(Metric("policy/entropy_avg", "nats per token"))
LOSS_POLICY_AVG = declare(Metric("loss/policy_avg", title="loss_policy", chart="losses"))
LOSS_VALUE_AVG = declare(
    Metric("loss/value_avg", "score squared", better="lower", title="loss_value", chart="losses")
)
LOSS_HINT_AVG = declare(Metric("loss/hint_avg", "nats per token", "reset", better="lower"))
VAL_CLIPFRAC_AVG = declare(Metric("val/clipfrac_avg", "share"))
VAL_RATIO = declare(Metric("val/ratio"))
VAL_RATIO_VAR = declare(Metric("val/ratio_var"))
VAL_NUM_EOS_TOKENS = declare(Metric("val/num_eos_tokens", "episodes"))
VAL_EXPLAINED_VARIANCE = declare(Metric("val/explained_variance", "share", better="higher"))
VAL_MEAN = declare(Metric("val/mean", "score"))
GROUP_ZERO_SPREAD = declare(Metric("group/zero_spread", "share", better="lower"))
GROUP_DRAWN_AGAIN = declare(Metric("group/drawn_again", "groups"))
COMPLETIONS_MEAN_LENGTH = declare(
    Metric("completions/mean_length", "tokens", "learned", title="length")
)
COMPLETIONS_CLIPPED_RATIO = declare(
    Metric("completions/clipped_ratio", "share", "learned", better="lower")
)
RESET_PROB = declare(Metric("reset/prob", "share", "reset"))
RESET_FRACTION = declare(Metric("reset/fraction", "share", "reset", chart="kl"))
RESET_PREFIX_LEN_MEAN = declare(Metric("reset/prefix_len_mean", "tokens", "reset"))
RESET_NEEDED_SHARE = declare(Metric("reset/needed_share", "share", "reset"))
RESET_FAILED_PROMPTS = declare(Metric("reset/failed_prompts", "share", "reset"))
RESET_CANDIDATES = declare(Metric("reset/candidates", "answers", "reset"))
LR = declare(Metric("lr"))
EPS = declare(Metric("eps", "episodes per second", better="higher"))
EPISODE = declare(Metric("episode", "episodes"))
NUM_TOKENS = declare(Metric("num_tokens", "tokens"))

# Held-out prompts.

EVAL_SCORES = declare(
    Metric(
        "eval/scores",
        "score",
        "learned",
        better="higher",
        title="learned_reward",
        chart="reward",
        batch=OBJECTIVE_SCORES,
        errors=True,
    )
)
EVAL_GOLD = declare(
    Metric(
        "eval/gold",
        "score",
        "gold",
        better="higher",
        title="gold_reward",
        chart="reward",
        batch=OBJECTIVE_GOLD,
        errors=True,
    )
)
EVAL_KL = declare(
    Metric(
        "eval/kl",
        "nats per answer",
        "kl",
        title="kl",
        chart="kl",
        batch=OBJECTIVE_KL,
        errors=True,
    )
)
EVAL_MEAN_LENGTH = declare(
    Metric(
        "eval/mean_length",
        "tokens",
        "learned",
        title="length",
        chart="lengths",
        batch=COMPLETIONS_MEAN_LENGTH,
        errors=True,
    )
)
EVAL_FINISHED = declare(
    Metric(
        "eval/finished",
        "share",
        "learned",
        better="higher",
        title="finished",
        chart="lengths",
        errors=True,
    )
)
EVAL_REPETITION = declare(
    Metric("eval/repetition", "share", "learned", better="lower", errors=True)
)
EVAL_DISTINCT_1 = declare(Metric("eval/distinct_1", "share", "learned", better="higher"))
EVAL_DISTINCT_2 = declare(Metric("eval/distinct_2", "share", "learned", better="higher"))
EVAL_IDENTICAL = declare(Metric("eval/identical", "share", "learned", better="lower"))
EVAL_ENTROPY = declare(Metric("eval/entropy", "nats per token", errors=True))
EVAL_PROMPTS = declare(Metric("eval/prompts", "prompts"))
EVAL_RM_ACCURACY = declare(Metric("eval/rm_accuracy", "share", better="higher", errors=True))
EVAL_ROUGE_L = declare(Metric("eval/rouge_l", better="higher", errors=True))

REWARDS = (EVAL_GOLD, EVAL_SCORES)
"""What a policy is judged by: the true reward where the data know it, else the learned one."""
OUTCOME = (EVAL_SCORES, EVAL_GOLD, EVAL_KL)
"""The rewards, and what they cost."""
HEADLINE = (*OUTCOME, EVAL_MEAN_LENGTH)
"""What is said first of a run: how far it has come from its start."""
SUMMARY = (*HEADLINE, *map(error_of, REWARDS))
"""What a run's summary keeps of its first and of its last evaluation, by short name."""
MEASURED = (*HEADLINE, EVAL_FINISHED)
"""What reports and the study tell of every evaluation."""
COMPARED = (*MEASURED, EVAL_DISTINCT_2, EVAL_REPETITION, EVAL_ROUGE_L)
"""What policies are compared by when they are evaluated together."""

# Seconds, and what of the work was for nothing.

TIMING_S_UPDATE = declare(Metric("timing_s/update", "seconds"))
TIMING_S_STARTS = declare(Metric("timing_s/starts", "seconds"))
TIMING_S_ROLLOUT = declare(Metric("timing_s/rollout", "seconds"))
TIMING_S_SCORING = declare(Metric("timing_s/scoring", "seconds"))
TIMING_S_LEARNING = declare(Metric("timing_s/learning", "seconds"))
TIMING_S_EVALUATION = declare(Metric("timing_s/evaluation", "seconds"))
TIMING_PADDING = declare(Metric("timing/padding", "share", better="lower"))

# The stages before, over their own steps. Entropy, token accuracy, token counts and logits stand in
# runs of earlier versions only.

SFT_LOSS = declare(Metric("sft/loss", "nats per token", better="lower"))
SFT_ENTROPY = declare(Metric("sft/entropy", "nats per token"))
SFT_MEAN_TOKEN_ACCURACY = declare(Metric("sft/mean_token_accuracy", "share", better="higher"))
SFT_GRAD_NORM = declare(Metric("sft/grad_norm"))
SFT_LEARNING_RATE = declare(Metric("sft/learning_rate"))
SFT_NUM_TOKENS = declare(Metric("sft/num_tokens", "tokens"))

RM_LOSS = declare(Metric("rm/loss", "nats per pair", better="lower"))
RM_ACCURACY = declare(Metric("rm/accuracy", "share", better="higher"))
RM_MARGIN = declare(Metric("rm/margin", "score", better="higher"))
RM_MEAN_REWARD = declare(Metric("rm/mean_reward", "score"))
RM_GRAD_NORM = declare(Metric("rm/grad_norm"))
RM_LEARNING_RATE = declare(Metric("rm/learning_rate"))

DPO_LOSS = declare(Metric("dpo/loss", "nats per pair", better="lower"))
DPO_REWARDS_CHOSEN = declare(Metric("dpo/rewards/chosen", "score"))
DPO_REWARDS_REJECTED = declare(Metric("dpo/rewards/rejected", "score"))
DPO_REWARDS_ACCURACIES = declare(Metric("dpo/rewards/accuracies", "share", better="higher"))
DPO_REWARDS_MARGINS = declare(Metric("dpo/rewards/margins", "score", better="higher"))
DPO_LOGPS_CHOSEN = declare(Metric("dpo/logps/chosen", "nats per answer"))
DPO_LOGPS_REJECTED = declare(Metric("dpo/logps/rejected", "nats per answer"))
DPO_LOGITS_CHOSEN = declare(Metric("dpo/logits/chosen"))
DPO_LOGITS_REJECTED = declare(Metric("dpo/logits/rejected"))
DPO_ENTROPY = declare(Metric("dpo/entropy", "nats per token"))
DPO_MEAN_TOKEN_ACCURACY = declare(Metric("dpo/mean_token_accuracy", "share", better="higher"))
DPO_GRAD_NORM = declare(Metric("dpo/grad_norm"))
DPO_LEARNING_RATE = declare(Metric("dpo/learning_rate"))
DPO_NUM_TOKENS = declare(Metric("dpo/num_tokens", "tokens"))
