"""What happens: one file per entry point."""
