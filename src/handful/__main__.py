"""`python -m handful`."""

from handful.cli.main import run

if __name__ == "__main__":
    run()
