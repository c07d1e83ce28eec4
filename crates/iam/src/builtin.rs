//! Policies that need not be written: some of AWS's managed ones, by AWS's names.

use crate::policy::{Kind, Policy};

/// Everything.
pub const ADMINISTRATOR: &str = "AdministratorAccess";

/// What a function may do whose role nobody has defined: read and write records, and call functions. It makes, changes and
/// deletes nothing.
pub const FUNCTION: &str = "MillstreamFunctionDefault";

const ALL: [(&str, &str); 9] = [
    (
        ADMINISTRATOR,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    (
        "AmazonKinesisFullAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kinesis:*","Resource":"*"}]}"#,
    ),
    (
        "AmazonKinesisReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kinesis:Get*","kinesis:List*",
        "kinesis:Describe*","kinesis:SubscribeToShard"],"Resource":"*"}]}"#,
    ),
    (
        "AWSLambda_FullAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:*","iam:PassRole"],"Resource":"*"}]}"#,
    ),
    (
        "AWSLambda_ReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:Get*","lambda:List*",
        "logs:DescribeLogGroups"],"Resource":"*"},{"Effect":"Allow","Action":["logs:DescribeLogStreams","logs:GetLogEvents",
        "logs:FilterLogEvents","logs:StartLiveTail"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"}]}"#,
    ),
    (
        "AWSLambdaBasicExecutionRole",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream",
        "logs:PutLogEvents"],"Resource":"*"}]}"#,
    ),
    (
        "CloudWatchLogsFullAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}"#,
    ),
    (
        "CloudWatchLogsReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:Describe*","logs:Get*","logs:List*",
        "logs:FilterLogEvents","logs:StartLiveTail"],"Resource":"*"}]}"#,
    ),
    (
        FUNCTION,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kinesis:PutRecord","kinesis:PutRecords",
        "kinesis:GetRecords","kinesis:GetShardIterator","kinesis:SubscribeToShard","kinesis:ListShards",
        "kinesis:ListStreams","kinesis:DescribeStream","kinesis:DescribeStreamSummary","kinesis:DescribeStreamConsumer",
        "kinesis:ListStreamConsumers","kinesis:ReceiveQueueRecords","kinesis:AcknowledgeQueueRecords",
        "kinesis:UpdateQueueRecordsVisibility","lambda:InvokeFunction"],"Resource":"*"}]}"#,
    ),
];

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// The text of one.
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// One, ready to be asked.
pub fn policy(name: &str) -> Option<Policy> {
    Policy::parse(text(name)?, Kind::Identity).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_of_them_can_be_read() {
        for name in super::names() {
            assert!(super::policy(name).is_some(), "{name}");
        }
        assert!(super::policy("Nothing").is_none());
    }
}
