"""A day of an app in simulated time: its world, and a model of what must become of its events."""
