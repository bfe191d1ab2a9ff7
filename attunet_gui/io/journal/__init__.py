"""The journal of strokes: a file to which every change is appended, and from which it is recovered."""
