"""What people choose: a file on a machine. Everything that filters, sorts, ranks and exports works on these rows."""

from pytest_slm.registry.rows.machines import cores, machine_name
from pytest_slm.registry.rows.making import entry_rows, rows
from pytest_slm.registry.rows.order import in_order
from pytest_slm.registry.rows.row import Row

__all__ = ["Row", "cores", "entry_rows", "in_order", "machine_name", "rows"]
