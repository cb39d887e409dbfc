"""Which drpo this is, for what is below the public names."""

from importlib import metadata


def version() -> str:
    """The installed version; `0+unknown` where drpo is read from a folder and was not installed."""
    try:
        return metadata.version("drpo")
    except metadata.PackageNotFoundError:
        return "0+unknown"
