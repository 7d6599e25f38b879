"""From the landing zone to committed tables: reading, rules, quarantine, commit; importers."""
