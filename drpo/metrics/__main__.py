"""`python -m drpo.metrics` prints the page of all metrics; `make metrics` keeps it."""

import sys

from drpo.metrics.table import page

sys.stdout.write(page())
