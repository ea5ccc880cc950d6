"""Where readings rest: one interface (`base`), one file for each kind of store."""
