"""From a source to checked entries and their split."""

LABELS = ("negative", "neutral", "positive")
SIDES = ("train", "valid", "test")
