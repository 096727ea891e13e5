"""Devices: cameras, microphones, speakers, keyboards and the files and servers that stand in for them."""
