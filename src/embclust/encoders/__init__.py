"""Encoders: one file per kind. See `embclust.protocols.Encoder`."""
