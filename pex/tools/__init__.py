"""What runs when a model calls a tool: functions, servers, recorded and made replies."""
