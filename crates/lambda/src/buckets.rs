//! Code that is not in the request but in a bucket, as the API calls it.

use crate::service::Lambda;
use crate::{Failure, caps};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;

/// Why there is no code to be had.
#[derive(Debug)]
pub enum NoCode {
    NoSuchBucket,
    NoSuchKey,
    /// What cannot be read, or is no deployment package: a sentence for the caller.
    Unusable(String),
    /// What went wrong here, for the log.
    Failed(std::io::Error),
}

/// Where code comes from that a request names by bucket and key.
#[async_trait]
pub trait Buckets: Debug + Send + Sync {
    /// The zip of a key, at most `limit` bytes.
    async fn zip(&self, bucket: &str, key: &str, limit: usize) -> Result<Bytes, NoCode>;
}

/// A request's bucket, key and version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) bucket: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
}

impl Object<'_> {
    pub(crate) fn is_named(&self) -> bool {
        self.bucket.is_some() || self.key.is_some()
    }
}

impl Lambda {
    /// The zip that a request names. One at a time, as each may be large.
    pub(crate) async fn zip_of(&self, object: Object<'_>) -> Result<Bytes, Failure> {
        let Some(buckets) = &self.buckets else {
            return Err(Failure::invalid(
                "No directory of this server stands for an S3 bucket. Give the code itself as ZipFile, or start the server \
                 with --function-code BUCKET=DIRECTORY.",
            ));
        };
        let (Some(bucket), Some(key)) = (object.bucket, object.key) else {
            return Err(Failure::invalid("Please provide a source for function code."));
        };
        if object.version.is_some_and(|version| version != "null") {
            return Err(not_got("NoSuchVersion", "The specified version does not exist."));
        }
        let _turn = buckets.turn.lock().await;
        buckets.list.zip(bucket, key, caps::BUCKET_ZIP_BYTES).await.map_err(|why| match why {
            NoCode::NoSuchBucket => not_got("NoSuchBucket", "The specified bucket does not exist"),
            NoCode::NoSuchKey => not_got("NoSuchKey", "The specified key does not exist."),
            NoCode::Unusable(why) => Failure::invalid(why),
            NoCode::Failed(error) => {
                Failure::service("The server could not read the code. Nothing was changed.", &error)
            }
        })
    }
}

/// As Lambda tells of what S3 told it.
fn not_got(code: &str, message: &str) -> Failure {
    Failure::invalid(format!(
        "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
    ))
}
