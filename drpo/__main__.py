"""`python -m drpo`, the same as `drpo`."""

from drpo.cli import main

main()
