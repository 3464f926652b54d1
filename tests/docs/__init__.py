"""The pages under docs/ are executed: every command in them is run, every output compared."""
