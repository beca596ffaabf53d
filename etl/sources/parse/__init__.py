"""What the readers of several dump formats share."""
