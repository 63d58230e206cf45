"""The MLflow store of a project, and its active experiment and run."""
