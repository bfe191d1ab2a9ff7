"""How long a training step takes, beside a peer."""
