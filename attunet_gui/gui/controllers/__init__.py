"""Controllers of the window: each connects one part of it with the layers below."""
