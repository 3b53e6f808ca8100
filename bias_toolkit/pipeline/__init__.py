"""Doing work in steps: what is done, kept, damaged or to do. Knows nothing of images."""
