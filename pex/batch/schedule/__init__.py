"""When a plan runs by itself: schedulers, and one night under their bare environment."""
