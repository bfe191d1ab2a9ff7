"""Variants of one recipe, each trained and scored on the same people, in one table."""
