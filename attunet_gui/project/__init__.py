"""A list of CT to annotate: who did what to which case, in what order, and how well people agree."""
