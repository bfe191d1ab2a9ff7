"""Evaluation of models: splits by patient, scores with intervals, calibration, attention gates, figures."""
