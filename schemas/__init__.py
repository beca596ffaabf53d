"""What the data is: the benchmark registry, the table schemas and the identities of items."""
