"""The supported dataset layouts, one module each."""
