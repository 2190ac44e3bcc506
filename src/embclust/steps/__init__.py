"""The steps: plain functions, settings and protocol objects in, report out."""
