"""The fine-tuning proof: corrections of a few cases, and what the next model gains by them."""
