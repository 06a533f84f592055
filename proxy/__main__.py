"""`python -m proxy` and the console script `sluice`."""

from proxy.cli.commands import main

if __name__ == "__main__":
    main()
