"""Answers of a registered model for every entry of a source."""
