"""The neural network: families, engines, bundles, training and adaptation.

Only modules of this package import TensorFlow. This file imports nothing, so that a process that only reads
cards or runs OpenVINO does not load it.
"""
