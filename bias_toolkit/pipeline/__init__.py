"""Steps of work: which are done, current, damaged or missing. No code about images."""
