"""Answers to questions from what is seen, heard and said, by rules and templates."""

from sensorium.answers.asked import Answer, Near
from sensorium.answers.rules import answer

__all__ = ["Answer", "Near", "answer"]
