//! Event source mappings: a stream's records to a function, in order, until they succeed.
