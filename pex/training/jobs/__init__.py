"""Fine-tuning jobs at endpoints with `/v1/files` and `/v1/fine_tuning/jobs`."""
