// How the tests of operations reach the service: here by calling it, in JSON. `crates/front` runs the same tests over HTTP.

use millstream_kinesis::{Answer, Kinesis};
use millstream_shapes::ErrorName;
use millstream_wire::json::Json11;
use serde_json::Value;

/// The answer, or the error's code and message.
pub(crate) async fn call(
    kinesis: &Kinesis,
    operation: &str,
    input: &Value,
) -> Result<Answer, (String, String)> {
    let answer = kinesis.call(&Json11, operation, &input.to_string().into()).await;
    answer.map_err(|failure| (failure.error.code.name().to_owned(), failure.error.message))
}
