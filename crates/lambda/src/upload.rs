//! Code that comes with a request.

use crate::service::Lambda;
use crate::{Failure, caps, error};
use bytes::Bytes;
use millstream_control::{Code, LayerUse};
use millstream_functions::{CodeKey, CodeRef};

/// What a request says about where the code is.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) zip_file: Option<&'a Bytes>,
    /// Any of the members that point to S3.
    pub(crate) from_s3: bool,
    pub(crate) image: bool,
}

impl Lambda {
    /// Store the zip that came with a request. It is durable when this returns, though nothing refers to it yet.
    pub(crate) async fn store(&self, upload: Upload<'_>) -> Result<CodeRef, Failure> {
        if upload.image {
            return Err(Failure::invalid(
                "Code in a container image is not supported by this version of Millstream. Give the code as ZipFile.",
            ));
        }
        if upload.from_s3 {
            return Err(Failure::invalid(
                "Code in S3 is not supported by this version of Millstream. Give the code itself as ZipFile.",
            ));
        }
        let zip =
            upload.zip_file.ok_or_else(|| Failure::invalid("Please provide a source for function code."))?;
        if zip.is_empty() {
            return Err(Failure::invalid("Uploaded file must be a non-empty zip"));
        }
        self.functions().code().put_zip(zip.clone()).await.map_err(error::upload)
    }

    /// Code and layers together must fit. `code` is the unzipped size of the code.
    pub(crate) async fn check_unzipped(&self, code: u64, layers: &[LayerUse]) -> Result<(), Failure> {
        let mut total = code;
        for layer in layers {
            total += self.unzipped_size(&layer.key).await?;
        }
        if total > caps::UNZIPPED_BYTES {
            return Err(Failure::invalid(format!(
                "Function code combined with layers exceeds the maximum allowed size of {} bytes. The actual size is \
                 {total} bytes.",
                caps::UNZIPPED_BYTES
            )));
        }
        Ok(())
    }

    /// The unzipped size of a stored zip. The control state does not hold it, so the store measures it again: storing
    /// what is there changes nothing.
    pub(crate) async fn unzipped_size(&self, key: &str) -> Result<u64, Failure> {
        let code = self.functions().code();
        let key: CodeKey = key.parse().map_err(|error| {
            Failure::service("The server could not read the code that it stored.", &error)
        })?;
        let zip = code.get_zip(&key).await.map_err(error::stored_code)?;
        Ok(code.put_zip(zip).await.map_err(error::stored_code)?.unzipped_size)
    }
}

pub(crate) fn code_of(stored: &CodeRef) -> Code {
    Code { key: stored.key.to_string(), sha256: stored.sha256_base64.clone(), size: stored.size }
}
