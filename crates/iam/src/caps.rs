//! Limits of policies.

/// Bytes of one policy's text: the Kinesis limit of a resource policy, and ours of every other. AWS counts up to 6,144
/// characters of a managed policy without its white space.
pub const POLICY_BYTES: usize = 20 * 1024;

/// Statements of a policy, and values of one element in it. They bound what one evaluation costs.
pub const STATEMENTS: usize = 100;
pub const VALUES: usize = 500;

/// Characters of a name: of a user, a role or a policy (IAM User Guide, "Name requirements").
pub const NAME_CHARS: usize = 64;
