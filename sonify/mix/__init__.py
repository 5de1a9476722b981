"""From dry buses to what the ear gets: EQ, compressor, reverb, limiter. Each stage is one file."""
