"""A simulated service: queues, retries, batches, circuit breakers, faults. Seeded, and fast enough for a day."""
