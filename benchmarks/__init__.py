"""How fast and how frugal the harness itself is, beside its peers: every comparison is made in one run, as a ratio."""
