"""``python -m sonify``."""

from sonify.commands import main

if __name__ == "__main__":
    main()
