//! Shards: routing, appending, reading, following.
