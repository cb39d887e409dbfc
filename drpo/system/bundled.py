"""Files that lie beside the package in a checkout and inside it in a wheel.

People read and edit `app.py`, `pages/` and `sample_data/` at the top of the repository. A wheel can
only own what is inside its package, so the build puts the same files, and Streamlit's settings,
into `drpo/_bundled` (`tool.hatch.build.targets.wheel` in pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def bundled(name: str) -> Path:
    """Find a file or folder that comes with drpo, in a checkout or in an installed wheel.

    Args:
        name: Its place below the repository's root, such as `pages` or `sample_data/files`.

    Returns:
        Its path. In an installed wheel it may be read-only.
    """
    inside = PACKAGE / "_bundled"
    return (inside if inside.is_dir() else PACKAGE.parent) / name
