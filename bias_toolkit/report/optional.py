"""The steps of a study that a report shows if they were done, and can do without."""

OPTIONAL = ("map/relation", "sizes/curve", "layers/analysis", "remedies/comparison", "reach/curve", "flag")
"""Their names. Not said by the topics, as importing those takes seconds."""
