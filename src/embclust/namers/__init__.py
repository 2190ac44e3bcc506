"""Namers: one file per kind. See `embclust.protocols.Namer`."""
