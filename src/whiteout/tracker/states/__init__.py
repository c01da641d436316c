"""State machines: what the tracker remembers of earlier events, and adds to later ones.

One module a machine; `states.States` holds them. Everything happens under the tracker's lock, in
one step with the session and the level, and nothing of the app's runs there.
"""
