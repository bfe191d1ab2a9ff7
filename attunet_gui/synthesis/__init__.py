"""Procedural CT: a phantom patient from a seed."""
