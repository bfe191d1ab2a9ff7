"""What the product is worth, how fast it is and what it withstands: run from a checkout, not shipped."""
