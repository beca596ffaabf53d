"""Tables in, a versioned dataset out."""
