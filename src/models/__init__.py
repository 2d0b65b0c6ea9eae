"""What ships: each file stands alone, is logged as code and imports nothing of the project."""
