"""Fine-tuning: from a model and corrected cases to a new model that has been compared with the old one."""
