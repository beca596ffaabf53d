"""Groups of candidate LLMs, and how they are chosen."""
