"""A project: a list of CT to annotate, the log of who did what to which case, and how well readers agree."""
