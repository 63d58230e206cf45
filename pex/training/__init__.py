"""Training data and fine-tuning jobs."""
