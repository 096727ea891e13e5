"""What people start: the command line, and three thin apps (headset, robot, kiosk) over the same session."""
