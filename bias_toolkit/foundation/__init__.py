"""The base of all other packages: errors, files, progress, threads, memory, resampling, words. No code about images."""
