"""Threads, queues and clocks: here and nowhere else."""
