"""The data side: what is read, cleaned, paired, split and augmented before a model sees it."""
