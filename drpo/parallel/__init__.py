"""One run on several devices: `ranks` says who does what, `group` lets processes know it."""
