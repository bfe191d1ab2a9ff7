"""Corrected cases and a model in, a model out that has been compared with the one before."""
