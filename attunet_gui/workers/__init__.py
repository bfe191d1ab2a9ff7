"""Child processes for long work.

One process does inference and adaptation for the window and lives as long as it is needed; other work runs in
a process of its own that ends with it.
"""
