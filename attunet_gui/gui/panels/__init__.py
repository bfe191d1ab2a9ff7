"""One module a section of the dock, in the order of the work. They show, and emit what is asked for."""
