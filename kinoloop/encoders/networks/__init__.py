"""Networks of encoders, apart from them: finding an encoder by its name loads no torch."""
