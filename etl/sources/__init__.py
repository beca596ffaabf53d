"""Readers of dump formats, one module each; `registry.SOURCES` lists them."""
