"""Stage 3, fully automatic: masks of any number of photos, released as shards (Sec. 4, App. B)."""
