"""What every layer may use: paths, folders, locks, atomic writes, safe logging, errors, progress."""
