"""The words of pex as plain data: prompt, variant, case, spec, events, settings, errors."""
