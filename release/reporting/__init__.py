"""Tables, plots and a page about a release."""
