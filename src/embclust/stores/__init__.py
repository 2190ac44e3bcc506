"""Stores: one file per kind. See `embclust.protocols.Store`."""
