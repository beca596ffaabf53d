"""Publishes releases to folders and to the Hub."""
