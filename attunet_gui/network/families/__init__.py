"""Families of networks: each has a configuration, a Keras network and its gates."""
