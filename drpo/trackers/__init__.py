"""A run's metrics and samples to other programs' trackers, each by its own library.

`report_to` names them. They hear what the store hears, from a thread of their own, so that training
neither waits for one nor fails with it: what a tracker does not take is logged and forgotten, and
the store keeps everything.
"""
