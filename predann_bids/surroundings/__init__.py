"""What the process runs in: its container, and the signals that ask it to stop."""
