"""Figures of this kernel beside ipykernel's, measured from outside."""
