"""Parts of the defect map: its options, what is found in an amplifier, the map of a detector, what it leaves in a frame."""
