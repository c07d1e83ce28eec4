use crate::{Decode, Encode, Validate};

/// One operation of a service, known by its marker type, so that dispatch can be written once for all of them.
pub trait ApiOperation {
    /// The service's `Operation` enum.
    type Id;
    type Input: Decode + Validate;
    type Output: Encode;

    const OPERATION: Self::Id;

    /// False when the model names no output: the answer then has an empty body.
    const HAS_OUTPUT: bool;
}
