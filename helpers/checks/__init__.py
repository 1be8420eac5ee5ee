"""Self-checks of the exercises, a module a notebook."""
