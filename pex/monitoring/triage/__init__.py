"""Deployed traces decided one by one: a case, a requirement, known, not ours, an incident."""
