"""What is measured: frames, recordings, latency bands, panels. Knows no source and no sound."""
