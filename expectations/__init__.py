"""The Great Expectations suites of every table and the gate that runs them."""
