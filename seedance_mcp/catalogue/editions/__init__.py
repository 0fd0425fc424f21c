"""The catalogue as it stood at a date: one module for each edition, found and loaded by name (`edition.load_edition`)."""
