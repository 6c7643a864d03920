"""``python -m bothways``: the command of the same name."""

from bothways.app.cli.main import run

if __name__ == "__main__":
    run()
