"""What is left to look at in a mask: concrete places, most important first, and what a person has seen."""
