"""Pickles as plain data: nothing in them is ever run."""
