"""What the originals said, recorded once by the scripts beside: the yardstick of every conversion."""
