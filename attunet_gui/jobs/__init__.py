"""Long work in a child process: `messages` between the two, `worker` in the child, `runner` in the parent."""
