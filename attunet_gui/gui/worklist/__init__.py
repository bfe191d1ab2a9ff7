"""The worklist in the window: the list of a project, its cases opened and recorded, and what runs beside."""
