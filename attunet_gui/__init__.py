"""Annotation assistant for the pancreas in abdominal CT."""

__version__ = "0.1.0"
