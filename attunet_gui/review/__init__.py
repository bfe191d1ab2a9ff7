"""Review of a mask: the places that are probably wrong, and what the annotator has seen and verified."""
