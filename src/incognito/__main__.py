"""python -m incognito."""

from incognito.cli import main

main()
