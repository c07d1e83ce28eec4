// The model's errors that no golden test of Kinesis produces, and why.

/// Whatever the operation.
pub(super) const NEVER: &[(&str, &[&str])] = &[
    (
        "nobody signs here: policies.rs asks the service itself, and conformance/python/test_security.py over HTTP",
        &["AccessDeniedException"],
    ),
    (
        "the log does not fail here: it does in testing/sim and in the crash tests",
        &["InternalFailureException"],
    ),
    (
        "keys are those of a file, not of KMS",
        &["KMSInvalidStateException", "KMSOptInRequired", "KMSThrottlingException"],
    ),
];

/// Answered where a queue is asked while it is being opened, which may or may not happen.
pub(super) const BY_CHANCE: &[&str] = &["ThrottlingException"];

/// Why, the error, and the operations whose errors it is among.
pub(super) const SOMETIMES: &[(&str, &str, &[&str])] = &[
    (
        "what can be wrong with their members is a ValidationException",
        "InvalidArgumentException",
        &[
            "AcknowledgeDeadLetterQueueRecords",
            "AcknowledgeQueueRecords",
            "CreateQueue",
            "DeleteQueue",
            "DeleteResourcePolicy",
            "DescribeQueue",
            "GetResourcePolicy",
            "ListQueues",
            "ListStreams",
            "ListTagsForResource",
            "ReceiveDeadLetterQueueRecords",
            "ReceiveQueueRecords",
            "RegisterStreamConsumer",
            "RestoreDeadLetterQueueRecords",
            "SubscribeToShard",
            "TagResource",
            "UntagResource",
            "UpdateAccountSettings",
            "UpdateDeadLetterQueueRecordsVisibility",
            "UpdateMaxRecordSize",
            "UpdateQueue",
            "UpdateQueueRecordsVisibility",
        ],
    ),
    (
        "they do not mind what state a stream is in; a queue is changed at once, and a stream of the other mode is refused first",
        "ResourceInUseException",
        &[
            "AddTagsToStream",
            "DeleteResourcePolicy",
            "GetResourcePolicy",
            "ListStreamConsumers",
            "ListTagsForResource",
            "PutResourcePolicy",
            "RemoveTagsFromStream",
            "TagResource",
            "UntagResource",
            "UpdateQueue",
            "UpdateStreamRecordDistributionStrategy",
        ],
    ),
    (
        "a stream is deleted once, and a second subscription is in use before it is too many",
        "LimitExceededException",
        &["DeleteStream", "SubscribeToShard"],
    ),
    (
        "a queue's records are read as its stream's are",
        "KMSDisabledException",
        &["ReceiveDeadLetterQueueRecords", "ReceiveQueueRecords"],
    ),
    (
        "a queue's records are read as its stream's are; a new key of a stream is made by the server itself",
        "KMSAccessDeniedException",
        &["ReceiveDeadLetterQueueRecords", "ReceiveQueueRecords", "StartStreamEncryption"],
    ),
    (
        "a queue's records are read as its stream's are",
        "KMSNotFoundException",
        &["ReceiveDeadLetterQueueRecords", "ReceiveQueueRecords"],
    ),
    ("its members are checked by what names the stream", "ValidationException", &["ListQueues"]),
    ("each record has its own result", "ProvisionedThroughputExceededException", &["PutRecords"]),
];
