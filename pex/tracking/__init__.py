"""Which MLflow store a project uses, and what is active in it."""
