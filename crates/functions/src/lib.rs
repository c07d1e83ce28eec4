//! Function code, workers and the Lambda Runtime API.
