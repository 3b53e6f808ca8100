"""The page itself: its building blocks, the style of its figures, and writing it."""
