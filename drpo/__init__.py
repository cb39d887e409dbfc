"""Dataset Reset Policy Optimization (arXiv 2404.08495): RLHF with resets, as a library.

    import drpo

    config = drpo.demo_config(updates=10)    # or drpo.RunConfig.of(data=..., policy=...)
    run = drpo.train(config)                 # here, with a bar; drpo.launch queues it instead
    run.metrics()[["objective/scores", "objective/kl"]]
    run.samples()[-1].response
    run.export("my-policy")                  # for transformers' from_pretrained

Importing this costs next to nothing: each name is loaded when it is first used. What is named in
`__all__` is public and keeps its meaning; everything else may change with any version.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drpo import errors
    from drpo.api.evaluation import evaluate
    from drpo.api.run import Run
    from drpo.api.training import find_run, launch, list_runs, load_pairs, train
    from drpo.config import presets
    from drpo.config.run_config import RunConfig
    from drpo.data.pairs import Pair
    from drpo.data.pairset import PairSet
    from drpo.errors import DrpoError
    from drpo.evaluation.results import Evaluation
    from drpo.runs.demo import demo_config
    from drpo.types import Control, Observer, Sample

    __version__: str

__all__ = [
    "Control",
    "DrpoError",
    "Evaluation",
    "Observer",
    "Pair",
    "PairSet",
    "Run",
    "RunConfig",
    "Sample",
    "demo_config",
    "errors",
    "evaluate",
    "find_run",
    "launch",
    "list_runs",
    "load_pairs",
    "presets",
    "train",
]

if not TYPE_CHECKING:
    # Beside the imports above, because a type checker would believe any name of a module that has
    # a `__getattr__`.
    _PLACES = {
        "drpo.api.evaluation": ("evaluate",),
        "drpo.api.run": ("Run",),
        "drpo.api.training": ("find_run", "launch", "list_runs", "load_pairs", "train"),
        "drpo.config.run_config": ("RunConfig",),
        "drpo.data.pairs": ("Pair",),
        "drpo.data.pairset": ("PairSet",),
        "drpo.errors": ("DrpoError",),
        "drpo.evaluation.results": ("Evaluation",),
        "drpo.runs.demo": ("demo_config",),
        "drpo.types": ("Control", "Observer", "Sample"),
    }
    _MODULES = {"errors": "drpo.errors", "presets": "drpo.config.presets"}

    def __getattr__(name: str) -> object:
        """Load a public name on first use."""
        import importlib

        if name == "__version__":
            return importlib.import_module("drpo.version").version()
        place = next((module for module, names in _PLACES.items() if name in names), None)
        if place is not None:
            found = getattr(importlib.import_module(place), name)
        elif name in _MODULES:
            found = importlib.import_module(_MODULES[name])
        else:
            raise AttributeError(
                f"module 'drpo' has no attribute {name!r}; it offers {', '.join(__all__)}."
            )
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        """What tab completion offers."""
        return [*__all__, "__version__"]
