"""Dialogs and questions of the window."""
