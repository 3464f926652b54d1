"""Clients written by others, run against the sandbox: `make test-clients`."""
