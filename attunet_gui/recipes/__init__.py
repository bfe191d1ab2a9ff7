"""Training recipes: a TOML file and the data it names become a trained, measured bundle."""
