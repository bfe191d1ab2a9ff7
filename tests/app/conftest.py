"""Fixtures of the tests of a case session."""

from tests.support.scripted_network import ct

__all__ = ["ct"]
