"""Parts of the restore drill."""
