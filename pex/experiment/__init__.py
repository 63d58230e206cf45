"""An experiment: variants on cases; prepared, run as a job, shown, gated, extended, saved."""
