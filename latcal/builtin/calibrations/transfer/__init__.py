"""Parts of the photon transfer curve: its options, what is extracted of each pair, the table of all that is found."""
