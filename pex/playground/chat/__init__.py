"""Conversations by hand: a prompt is talked to, and its tools are answered, in a Playground."""
