"""Builders of ready parts: one file a part, each ``build(weights) -> PartDraft``."""
