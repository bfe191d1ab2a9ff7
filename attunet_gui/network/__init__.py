"""The network: the only package that imports TensorFlow, and only inside its modules, never here."""
