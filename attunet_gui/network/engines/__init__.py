"""Engines that compute a network's answer: Keras and OpenVINO."""
