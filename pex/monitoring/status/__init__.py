"""Where each prompt stands, from its requirements to the cases that its users have brought."""
