"""The study behind every claim about resets: planned, run, counted and drawn by code.

`plan` says which runs, `carry` gets them done through the ordinary worker, `tables` counts,
`drawing` draws, `report` writes docs/study.md. `drpo study` does all of it, and goes on after a
stop.
"""
