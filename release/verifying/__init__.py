"""The checks of a release: its files, its tables, its papers, and what its manifest claims."""
