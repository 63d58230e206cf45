"""An experiment: variants on cases, prepared, run as a job, gated, extended, saved."""
