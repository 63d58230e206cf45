"""Checks on texts; for now, keeping keys out of everything that is shown or stored."""
