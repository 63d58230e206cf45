"""Incidents: what a deployed prompt did to people, stopped, fixed, and tested for every night."""
