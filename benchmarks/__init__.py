"""What README's figures come from, one command each: `python -m benchmarks`, `python -m benchmarks.NAME`."""
