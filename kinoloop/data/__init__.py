"""Tables, landing zone, importers, histories and the catalogue."""
