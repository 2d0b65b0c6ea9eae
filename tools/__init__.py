"""What people run beside the pipeline."""
