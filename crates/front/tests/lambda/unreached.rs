/// Statuses that the model does not have, of operations that succeed.
const STATUSES: &[(&str, u64)] = &[
    // As AWS answers, whose model says 200 for what is deleted later.
    ("DeleteFunction", 204),
];

/// Why no test produces an error, and which, whatever the operation.
const NEVER: &[(&str, &[&str])] = &[];

/// Why no test produces an error of some operations, the error, and the operations.
const SOMETIMES: &[(&str, &str, &[&str])] = &[];
