"""Where the workspace's files are: a folder, or an object store that each machine caches.

With `DRPO_HOME=s3://bucket/team`, or any other URL that fsspec knows, the truth about files is in
the object store, and the truth about runs in PostgreSQL. `workspace()` is then a folder of this
machine alone, into which `fetch` brings what is opened and from which `publish` takes what is made.
With a folder as `DRPO_HOME` all of that does nothing.
"""

from drpo.home.fetching import brought, fetch, fetch_all, mirror, outline
from drpo.home.holdings import bytes_put, exists, names_of
from drpo.home.place import home, home_url, portable, rebased, resolved, run_folder, workspace
from drpo.home.publishing import publish, remove, tidy
from drpo.home.single_files import fetch_file, live_files, publish_file, read_file, remove_file

__all__ = [
    "brought",
    "bytes_put",
    "exists",
    "fetch",
    "fetch_all",
    "fetch_file",
    "home",
    "home_url",
    "live_files",
    "mirror",
    "names_of",
    "outline",
    "portable",
    "publish",
    "publish_file",
    "read_file",
    "rebased",
    "remove",
    "remove_file",
    "resolved",
    "run_folder",
    "tidy",
    "workspace",
]
