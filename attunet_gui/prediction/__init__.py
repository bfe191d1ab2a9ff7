"""What a model is given and what its output becomes: card, preprocessing, prediction, draft. No network."""
