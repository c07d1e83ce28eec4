//! Generated types of the Lambda API.
