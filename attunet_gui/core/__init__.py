"""Values and algorithms on numpy and scipy alone: grids, volumes, edits, measures."""
