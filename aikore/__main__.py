"""``python -m aikore`` is the ``aikore`` command."""

from aikore.cli import main

if __name__ == "__main__":
    main()
