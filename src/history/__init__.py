"""What was run before: found by the words people type, shown, compared, and cleaned away."""
