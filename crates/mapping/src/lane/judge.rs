use crate::caps;
use millstream_functions::{InvokeError, InvokeReply};
use serde::Deserialize;

/// What came of one attempt to have a batch processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeded,
    /// The function had the batch and failed, of this type of error.
    Failed(String),
    /// The batch did not reach the function.
    NotRun(String),
    /// It did not, for want of a free worker.
    Throttled(String),
}

pub(super) fn judge(result: &Result<InvokeReply, InvokeError>) -> Verdict {
    match result {
        Ok(reply) => match reply.function_error {
            None => Verdict::Succeeded,
            Some(error) => Verdict::Failed(error_type(reply).unwrap_or_else(|| error.as_str().to_owned())),
        },
        Err(error @ (InvokeError::Throttled { .. } | InvokeError::ReservedExhausted { .. })) => {
            Verdict::Throttled(error.to_string())
        }
        Err(error) if error.reached() => Verdict::Failed(error.to_string()),
        Err(error) => Verdict::NotRun(error.to_string()),
    }
}

/// The `errorType` of a failed function's answer. The rest of it may hold a record's data, so it is not looked at.
fn error_type(reply: &InvokeReply) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "errorType")]
        error_type: String,
    }
    let answer: Answer = serde_json::from_slice(&reply.payload).ok()?;
    let printable = answer.error_type.chars().filter(|c| !c.is_control());
    Some(printable.take(caps::ERROR_TYPE_CHARS).collect()).filter(|text: &String| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_functions::FunctionError;
    use std::time::Duration;

    fn reply(payload: &'static str, function_error: Option<FunctionError>) -> InvokeReply {
        InvokeReply {
            payload: Bytes::from_static(payload.as_bytes()),
            function_error,
            log_tail: Bytes::new(),
            executed_version: "$LATEST".into(),
            init: None,
            duration: Duration::ZERO,
            max_memory_mb: 1,
        }
    }

    #[test]
    fn only_a_function_that_ran_has_failed() {
        let failed = |payload| judge(&Ok(reply(payload, Some(FunctionError::Unhandled))));
        assert_eq!(judge(&Ok(reply("not json", None))), Verdict::Succeeded);
        assert_eq!(
            failed(r#"{"errorMessage":"secret","errorType":"ValueError"}"#),
            Verdict::Failed("ValueError".into())
        );
        for odd in ["", "[]", r#"{"errorType":7}"#, r#"{"errorType":"\n"}"#] {
            assert_eq!(failed(odd), Verdict::Failed("Unhandled".into()), "{odd}");
        }
        assert!(matches!(judge(&Err(InvokeError::Lost)), Verdict::Failed(_)));
        assert!(matches!(judge(&Err(InvokeError::ShuttingDown)), Verdict::NotRun(_)));
        assert!(matches!(judge(&Err(InvokeError::Throttled { limit: 1 })), Verdict::Throttled(_)));
    }
}
