"""Pure numpy and scipy: grids, volumes, preprocessing, measures. No files, no Qt, no TensorFlow."""
