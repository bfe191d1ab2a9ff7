"""Phantoms: CT of a drawn abdomen that needs no data."""
