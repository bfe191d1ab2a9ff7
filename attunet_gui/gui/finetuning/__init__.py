"""Improving the model in the window: what is asked, how far it is, what came out, and what becomes of it."""
