"""Six trainings of one recipe that differ in two things: gates, and what is learnt from."""
