"""How many slices a person must correct: a simulated annotator at work on cases whose truth is known."""
