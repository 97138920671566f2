"""Pictures for people, each drawn on a `sheet` and saved as a PNG; none is looked at by a command that draws none."""
