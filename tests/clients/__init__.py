"""Clients that others wrote, in Node.js, run against the simulated CRMs; see `__main__`."""
