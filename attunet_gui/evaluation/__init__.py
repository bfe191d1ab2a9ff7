"""How good a model is: splits by patient, scores with intervals, calibration, gates, pictures."""
