"""The layouts of datasets that are understood, one module a layout."""
