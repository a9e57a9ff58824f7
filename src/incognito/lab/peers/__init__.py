"""Workers of a comparison. Each is a script of its own, run by the Python of the environment that its networks need."""
