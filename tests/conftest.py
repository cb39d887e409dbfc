"""Shared fixtures: tiny random models, a byte tokenizer, a seeded generator, an old workspace.

While tests run, the algorithm's modules are imported through jaxtyping's hook, so that every
shape and type in their signatures is checked at every call.
"""

import os
from pathlib import Path

from jaxtyping import install_import_hook

# Test processes run side by side, one a core; set before torch counts the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests of several threads would spin away the time of those beside them.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

_RL = Path(__file__).parents[1] / "drpo" / "rl"
# Of the learner all but the schedules, which hold no tensors and return Self, unknown to beartype.
_CHECKED = [f"rl.{path.stem}" for path in _RL.glob("[!_]*.py") if path.stem != "schedules"]
_CHECKED += [
    "modeling.forward_pass",
    "modeling.tokenization",
    "modeling.scorers",
    "modeling.critic",
    "modeling.models",
    "modeling.seeding",
    "analysis.lock_demo",
]
install_import_hook([f"drpo.{name}" for name in _CHECKED], "typecheck.checked")

import random  # noqa: E402
import secrets  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402
from old_workspace import OldWorkspace, unpacked  # noqa: E402

from drpo.store import Store  # noqa: E402

# With several threads, how a sum is split among them may differ from one call to the next on a
# busy machine, and "bit for bit" would then fail for no fault of the code.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_secrets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make identifiers and a review's secret the same in every run of a test.

    A review's secret draws the sides, so a 95 % interval would miss the truth in one run of twenty.
    """
    drawn = random.Random(request.node.nodeid)
    monkeypatch.setattr(secrets, "token_hex", lambda size=32: drawn.randbytes(size).hex())


@pytest.fixture(autouse=True)
def nothing_cached() -> Iterator[None]:
    """Forget what screens share between visitors: the store of one test is not another's."""
    _forget_shared()
    yield
    _forget_shared()


def _forget_shared() -> None:
    # Looked up, so that no test loads Streamlit that does not show a screen.
    if streamlit := sys.modules.get("streamlit"):
        streamlit.cache_resource.clear()


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak English, whatever the machine's locale, where a test does not ask for Japanese."""
    monkeypatch.setenv("DRPO_LANG", "en")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store in a workspace of the test's own, whose workers compute with one thread."""
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    monkeypatch.delenv("DRPO_DATABASE_URL", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # What a test wrote a moment ago is meant to be on its screen.
    monkeypatch.setattr("drpo.analysis.metric_series.FRESH_SECONDS", 0.0)
    threads = torch.get_num_threads()
    opened = Store(f"sqlite:///{tmp_path / 'drpo.sqlite'}")
    yield opened
    opened.close()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def old(tmp_path_factory: Any) -> Iterator[OldWorkspace]:
    """A workspace of version 0.1.0, one for all tests of a file: they change nothing in it."""
    with pytest.MonkeyPatch.context() as patch:
        yield from unpacked(tmp_path_factory.mktemp("old"), patch)


@pytest.fixture
def old_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OldWorkspace]:
    """The same, of the test's own."""
    yield from unpacked(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def byte_tokenizer() -> Any:
    return make_byte_tokenizer()


def make_byte_tokenizer() -> Any:
    """Every byte is a token of its own; pad, begin and end are three tokens apart."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<end>", *alphabet])}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")


def tiny_model(kind: str, seed: int = 0, **extra: Any) -> Any:
    """A causal model of a few thousand random weights, large enough to be far from uniform."""
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        GPTNeoXConfig,
        GPTNeoXForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
    )

    common = {
        "vocab_size": 258,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "initializer_range": 0.2,
    }
    wide = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 128,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "gpt2":
            shape = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 128}
            return GPT2LMHeadModel(GPT2Config(**common, **shape, **extra)).eval()
        if kind == "gpt_neox":
            return GPTNeoXForCausalLM(GPTNeoXConfig(**common, **wide, **extra)).eval()
        return LlamaForCausalLM(LlamaConfig(**common, **(wide | extra))).eval()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: Any, byte_tokenizer: Any) -> Callable[..., Path]:
    """Return the folder of a tiny model with its tokenizer, made once for each kind and seed."""
    made: dict[tuple[str, int], Path] = {}

    def make(kind: str = "llama", seed: int = 0) -> Path:
        if (kind, seed) not in made:
            folder = tmp_path_factory.mktemp(f"{kind}-{seed}")
            tiny_model(kind, seed).save_pretrained(folder)
            byte_tokenizer.save_pretrained(folder)
            made[kind, seed] = folder
        return made[kind, seed]

    return make


@pytest.fixture(scope="session")
def reward_folder(tmp_path_factory: Any, byte_tokenizer: Any) -> Path:
    """Return the folder of a tiny random reward model."""
    return make_reward_folder(tmp_path_factory.mktemp("reward"), byte_tokenizer)


def make_reward_folder(folder: Path, tokenizer: Any) -> Path:
    """Save a tiny random reward model."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    with torch.random.fork_rng():
        torch.manual_seed(7)
        config = LlamaConfig(
            vocab_size=258,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=128,
            num_labels=1,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
            initializer_range=0.2,
        )
        model = LlamaForSequenceClassification(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
