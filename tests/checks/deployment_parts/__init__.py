"""Checks what lies in deploy/ as far as that goes without a container engine or a cluster."""
