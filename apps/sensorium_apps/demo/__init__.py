"""The demo: a scripted half minute of real photos and spoken questions, in which the senses fail and return."""
