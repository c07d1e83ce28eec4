//! The control plane: a pure state machine.
