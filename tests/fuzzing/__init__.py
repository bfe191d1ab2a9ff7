"""Damaged and hostile input, made from a seed, and what the product makes of it."""
