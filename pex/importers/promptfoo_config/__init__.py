"""promptfoo's configuration, `promptfooconfig.yaml`, as an experiment; nothing in it is run."""
