"""Compiled signal kernels. They know no metrics."""
