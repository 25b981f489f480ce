"""Sweeps: grids of cells, computed into a store that can be interrupted, resumed, shared and read by others."""

from barren.sweeps.executors import LostError
from barren.sweeps.grid import Grid
from barren.sweeps.prices import Prices, price
from barren.sweeps.run import Outcome, sweep
from barren.sweeps.store import Store, StoreError, rows_of, table_of

__all__ = ["Grid", "LostError", "Outcome", "Prices", "Store", "StoreError", "price", "rows_of", "sweep", "table_of"]
