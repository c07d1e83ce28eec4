//! Whether a caller may do what it asks for: which action it is, and on which resource.
//!
//! The resource is `log-group:GROUP:log-stream:STREAM`, with nothing for what an operation does not name. So AWS's own errors
//! say it, and so the ARNs in policies that end in `:*` take it, as its documentation has them end.

use crate::error::Failure;
use crate::names;
use crate::service::Logs;
use bytes::Bytes;
use millstream_api_logs::{ErrorCode, Operation};
use millstream_iam::{Caller, Facts};
use millstream_shapes::{Codec, Decode, DecodeError, Decoder};
use millstream_wire::json::Json11;
use std::collections::BTreeMap;

impl Logs {
    pub(crate) fn authorise(
        &self,
        caller: &Caller,
        operation: Operation,
        body: &Bytes,
    ) -> Result<(), Failure> {
        let named: Named = Json11.decode(body)?;
        let action = format!("logs:{}", operation.name());
        for group in self.groups(operation, &named) {
            // A live session is of groups, whatever streams of them it is to show.
            let stream = named.stream.as_deref().unwrap_or_default();
            self.ask(caller, &action, &group, stream, &named)?;
            if operation == Operation::CreateLogGroup && !named.tags.is_empty() {
                self.ask(caller, "logs:TagResource", &group, "", &named)?;
            }
        }
        Ok(())
    }

    /// The names of the groups that a request is about. What is no name is asked for as it is: it matches no group's ARN.
    fn groups(&self, operation: Operation, named: &Named) -> Vec<String> {
        let own = |identifier: &String| {
            names::of_identifier(&self.home, identifier).unwrap_or_else(|_| identifier.clone())
        };
        if operation == Operation::StartLiveTail || !named.identifiers.is_empty() {
            return named.identifiers.iter().map(own).collect();
        }
        let name = match (&named.group, &named.identifier) {
            // Both are refused, whoever asks.
            (_, Some(identifier)) => own(identifier),
            (Some(name), None) => name.clone(),
            (None, None) => named.prefix.clone().unwrap_or_default(),
        };
        vec![name]
    }

    fn ask(
        &self,
        caller: &Caller,
        action: &str,
        group: &str,
        stream: &str,
        named: &Named,
    ) -> Result<(), Failure> {
        let tags = self.store.tags(&self.home.key(group));
        let facts = Facts {
            resource_tags: tags.as_ref(),
            request_tags: (!named.tags.is_empty()).then_some(&named.tags),
            ..Facts::default()
        };
        let resource = names::stream_arn(&self.home, group, stream);
        let asked = caller.may(action, &resource, facts, None);
        asked.map_err(|denial| Failure::new(ErrorCode::AccessDeniedException, denial.to_string()))
    }
}

/// The members of any input that name what it is about.
#[derive(Debug, Default)]
struct Named {
    group: Option<String>,
    identifier: Option<String>,
    identifiers: Vec<String>,
    stream: Option<String>,
    prefix: Option<String>,
    tags: BTreeMap<String, String>,
}

impl Decode for Named {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        const MEMBERS: [&str; 6] = [
            "logGroupName",
            "logGroupIdentifier",
            "logGroupIdentifiers",
            "logStreamName",
            "logGroupNamePrefix",
            "tags",
        ];
        let mut out = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => out.group = Decode::decode(d)?,
                1 => out.identifier = Decode::decode(d)?,
                2 => out.identifiers = Decode::decode(d)?,
                3 => out.stream = Decode::decode(d)?,
                4 => out.prefix = Decode::decode(d)?,
                _ => out.tags = Decode::decode(d)?,
            }
        }
        Ok(out)
    }
}
