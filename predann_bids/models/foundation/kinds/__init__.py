"""The foundation models, one module for each."""
