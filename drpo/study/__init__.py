"""The study behind every claim about resets: planned, run, counted and drawn by code.

`plan` says which runs, `execute` gets them done through the ordinary worker, `courses` reads them,
`tables` counts, `svg_curves` draws, `report` writes docs/study.md. `drpo study` does all of it, and
goes on after a stop.
"""
