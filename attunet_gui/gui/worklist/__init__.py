"""The worklist in the window: the list of a project, its open case, and background jobs."""
