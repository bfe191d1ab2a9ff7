"""Training: from a recipe, which is a TOML file, and the data it names to a trained and measured model
bundle.
"""
