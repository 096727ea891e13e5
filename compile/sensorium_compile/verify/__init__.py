"""What is left of a model after it was lowered: agreement, accuracy of every subset, speed; and the choice."""
