"""What `[curate]` leaves out of a benchmark, and what it adds."""
