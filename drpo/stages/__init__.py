"""What is trained before or instead of the policy update: SFT, the reward model, DPO.

Each stage is one function: settings and pairs in, a folder that `from_pretrained` loads out, and
figures on held-out pairs. All go through the loop of `drpo.stages.fit` with a loss of their own,
use the run's adapters and number format, and stop between two parts of a step when asked.
"""

from drpo.stages.common import StageResult
from drpo.stages.dpo import train_dpo
from drpo.stages.fit import Progress
from drpo.stages.reward import train_reward_model
from drpo.stages.sft import train_sft

__all__ = [
    "Progress",
    "StageResult",
    "train_dpo",
    "train_reward_model",
    "train_sft",
]
