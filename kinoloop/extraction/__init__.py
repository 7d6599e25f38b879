"""From the videos table to the media and features tables: only what is missing, shard by shard."""
