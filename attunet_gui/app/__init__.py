"""The open case and what is done with it, without Qt: what the window and the command line share."""
