"""Projectors: one file per kind. See `embclust.protocols.Projector`."""
