//! The task that owns the control state and keeps it in the log.
