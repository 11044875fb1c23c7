"""The systems under test, one module for each family, all with the interface of `base.System`."""
