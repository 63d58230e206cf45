"""Evidence on prompts: what runs and verdicts say of a version before it is shipped."""
