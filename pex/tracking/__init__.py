"""Which MLflow store a project uses, where its files are, and what is active in it."""
