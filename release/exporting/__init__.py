"""A release in the layouts of other tools: one small file per format."""
