"""Do fits: find what is left to do, train or solve for a model, let it predict, keep what it says."""
