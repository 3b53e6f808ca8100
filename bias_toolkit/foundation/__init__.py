"""What all else stands on: errors, files, progress, threads, memory, resampling and words. Knows nothing of images."""
