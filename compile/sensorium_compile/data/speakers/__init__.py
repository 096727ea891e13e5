"""Words said by voices that nobody recorded: how a word is said, who says it, and the clips that are kept."""
