"""Training a network further, with remedies and without."""
