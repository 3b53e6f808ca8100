"""The page itself: what it is built of, how its figures look, and how it is written."""
