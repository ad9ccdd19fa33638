"""What the machine has and does. One home for the knowledge about GPUs."""
