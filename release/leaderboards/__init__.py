"""A leaderboard of routers that others hand in as files of predictions."""
