"""Sweeps: grids of cells, computed into a store that can be interrupted, resumed, shared and read by others."""
