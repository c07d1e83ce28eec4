//! The founding example.
