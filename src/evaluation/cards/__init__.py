"""What people read about results; it never changes one."""
