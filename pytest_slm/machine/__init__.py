"""What this machine is, and what a process uses of it. Read from the system, never typed, never assumed."""
