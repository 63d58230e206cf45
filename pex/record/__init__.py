"""Runs in MLflow: traces, tables, data sets, assessments; written, found and deleted."""
