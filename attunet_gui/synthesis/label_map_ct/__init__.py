"""Synthetic CT rendered from label maps of real anatomy."""
