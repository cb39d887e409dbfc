"""Dataset Reset Policy Optimization (arXiv 2404.08495): the library under the dashboard."""


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import metadata  # a tenth of a second that few need

    try:
        return metadata.version("drpo")
    except metadata.PackageNotFoundError:
        return "0+unknown"  # read from a folder, never installed
