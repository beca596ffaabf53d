"""The verbs of the command line with their arguments; what takes time to import is imported by its verb."""
