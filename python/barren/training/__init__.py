"""Experiments on training: ensembles of runs, what is measured of them, and what the gradient variance predicts."""
