"""Speed and size beside the fill-mask pipeline, a bare forward pass and bertviz: `python -m benchmarks`."""
