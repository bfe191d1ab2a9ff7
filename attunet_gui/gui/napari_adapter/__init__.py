"""Everything that depends on how napari works: layers, keys, commands, strokes."""
