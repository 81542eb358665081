"""`python -m confemb`: the command line."""

from confemb.cli import main

if __name__ == "__main__":
    main()
