"""The commands of `palate`, one file a subject, each imported when it is called; heavy rooms are imported inside."""
