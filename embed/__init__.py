"""Prompts to vectors: the registry of encoders, the packed forward pass, the cache and the shards."""
