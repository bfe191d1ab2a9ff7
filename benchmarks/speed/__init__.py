"""How fast the product is, and beside whom: every row of `docs/performance.md`, measured."""
