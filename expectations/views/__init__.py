"""What the suites look at, as SQL views."""
