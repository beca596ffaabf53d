"""Leaderboard dumps in, tables out."""
