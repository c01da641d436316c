"""Bindings to frameworks and servers. None adds a dependency, none is imported unasked."""
