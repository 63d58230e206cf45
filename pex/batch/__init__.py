"""Notebooks x parameter sets, executed by Papermill."""
