"""Corrections of the mask of one case: the edit session and the tools."""
