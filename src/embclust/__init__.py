"""Turn a table with image and text columns into named clusters that a person can look at."""

__version__ = "0.1.0"
