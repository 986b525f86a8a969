"""What the core needs of its process: folders, waits, text that a terminal can show, names loaded on first use."""
