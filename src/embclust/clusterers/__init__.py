"""Clusterers: one file per kind. See `embclust.protocols.Clusterer`."""
