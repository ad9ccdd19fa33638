"""What the machine and each instance are doing. Measures only; who may see it and how it is told is not its matter."""
