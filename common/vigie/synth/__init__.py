"""Made-up extracts in the partners' own forms, of any size, and a catalogue of faults to plant into them."""
