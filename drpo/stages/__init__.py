"""What is trained before or instead of the policy update: SFT, the reward model, DPO.

Each stage is one function over TRL's trainer of the same name: settings and pairs in, a folder that
`from_pretrained` loads out, figures on held-out pairs beside it. They write nothing to standard
output, report through a callback and stop between two steps when asked.
"""

from drpo.stages.common import Progress, StageResult
from drpo.stages.dpo import train_dpo
from drpo.stages.reward import train_reward_model
from drpo.stages.sft import train_sft

__all__ = [
    "Progress",
    "StageResult",
    "train_dpo",
    "train_reward_model",
    "train_sft",
]
