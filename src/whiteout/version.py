"""The version of this distribution: of the wheel, and in the tracker's `tv` parameter."""

__version__ = "0.1.0"
