"""From wire format to metric frames. Readers know no mapping and no audio."""
