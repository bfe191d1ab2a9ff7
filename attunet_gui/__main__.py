"""`python -m attunet_gui`. Light, because a spawned child imports it again."""

from attunet_gui.cli import main

if __name__ == "__main__":
    main()
