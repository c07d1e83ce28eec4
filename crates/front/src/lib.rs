//! HTTP in, bytes out: one port for every service.
