"""The models of this user: which there are, which is the default, how they come and go. No TensorFlow."""
