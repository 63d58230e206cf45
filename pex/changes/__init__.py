"""The prompts that a branch changes, compared with those of its base branch."""
