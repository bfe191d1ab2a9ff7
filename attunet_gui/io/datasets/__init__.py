"""Labelled data sets: folders of CT or slices with labels, and how they are laid out."""
