"""What a person watches while listening; views read snapshots and call nobody back."""
