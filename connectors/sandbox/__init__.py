"""Two simulated CRMs that real clients believe. It imports nothing of the product, and the product nothing of it."""
