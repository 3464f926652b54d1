"""Two simulated CRMs that real clients believe.

This package imports nothing of the product, and the product imports nothing of it.
"""
