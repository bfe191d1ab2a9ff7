"""The user's models: which there are, which is the default, and how they are imported and exported. No
TensorFlow.
"""
