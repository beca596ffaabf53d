"""From parsed dumps to one benchmark's tables."""
