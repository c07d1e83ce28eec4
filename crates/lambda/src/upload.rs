//! Code that comes with a request.

use crate::buckets::Object;
use crate::service::Lambda;
use crate::{Failure, caps, error};
use bytes::Bytes;
use millstream_control::{Code, Function, LayerUse};
use millstream_functions::{CodeKey, CodeRef};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What a request says about where the code is.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) zip_file: Option<&'a Bytes>,
    pub(crate) object: Object<'a>,
}

/// Whether a function is code, or runs somewhere else. The API's word for the latter is a container image.
pub(crate) fn is_elsewhere(function: &Function) -> bool {
    function.shown().0.image_uri.is_some()
}

impl Lambda {
    /// Store the zip that came with a request, or that it names. It is durable when this returns, though nothing refers to it yet.
    pub(crate) async fn store(&self, upload: Upload<'_>) -> Result<CodeRef, Failure> {
        if upload.object.is_named() {
            if upload.zip_file.is_some() {
                return Err(Failure::invalid(
                    "Please do not provide other FunctionCode parameters when providing a ZipFile.",
                ));
            }
            let zip = self.zip_of(upload.object).await?;
            return self.functions().code().put_large_zip(zip).await.map_err(error::upload);
        }
        let zip =
            upload.zip_file.ok_or_else(|| Failure::invalid("Please provide a source for function code."))?;
        if zip.is_empty() {
            return Err(Failure::invalid("Uploaded file must be a non-empty zip"));
        }
        self.functions().code().put_zip(zip.clone()).await.map_err(error::upload)
    }

    /// What stands in the place of code for a function that runs at `uri`.
    pub(crate) fn elsewhere(&self, uri: &str) -> Result<Code, Failure> {
        self.functions().check_elsewhere(uri).map_err(|why| {
            Failure::invalid(format!(
                "Source image {uri} is not valid. Provide a valid source image. Millstream runs no containers, it hands \
                 invocations on: {why}"
            ))
        })?;
        let digest = Sha256::digest(uri).iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        });
        // AWS shows digests of images in hexadecimal, and their size as 0.
        Ok(Code { key: digest.clone(), sha256: digest, size: 0, image_uri: Some(uri.to_owned()) })
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
        Ok(code.put_large_zip(zip).await.map_err(error::stored_code)?.unzipped_size)
    }
}

pub(crate) fn code_of(stored: &CodeRef) -> Code {
    Code {
        key: stored.key.to_string(),
        sha256: stored.sha256_base64.clone(),
        size: stored.size,
        image_uri: None,
    }
}
