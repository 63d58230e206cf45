"""MLflow: every run as one parent run with a child per variant."""
