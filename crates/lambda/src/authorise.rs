//! Whether a caller may do what it asks for: which action it is, and on which resource.
//!
//! This comes before the operation. The resource is told by the path's labels, which every operation has or has not, so
//! that no operation can forget it: one whose path names a function is about that function. What only a body names has its
//! line in [`Named`].

use crate::Failure;
use crate::names::Target;
use crate::service::Lambda;
use millstream_api_lambda::{self as api, ErrorCode, Operation};
use millstream_control::{Function, Mapping};
use millstream_iam::{Caller, Denial, Facts, Kind, Policy};
use millstream_shapes::{Codec, Decode, DecodeError, Decoder, RestRequest};
use millstream_types::Arn;
use millstream_wire::json::RestJson;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a mapping's function must be able to do with its stream.
const READING: [&str; 4] =
    ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"];

impl Lambda {
    pub(crate) fn authorise(
        &self,
        caller: &Caller,
        operation: Operation,
        request: &RestRequest<'_>,
    ) -> Result<(), Failure> {
        let named = if names_in_body(operation) { RestJson.decode(&request.body)? } else { Named::default() };
        let resource = self.resource(operation, request, &named);
        let function = self.function_of(operation, request, &named);
        let mut own = Vec::new();
        if let Some(arn) = self.mapped_function(operation, request, &named) {
            own.push(("lambda:functionarn", arn));
        }
        own.extend(named.layers.iter().map(|layer| ("lambda:layer", self.canonical(layer))));
        own.extend(named.principal.iter().map(|principal| ("lambda:principal", principal.clone())));
        if let Some(auth) = url_auth(operation, request, &named, function.as_deref()) {
            own.push(("lambda:functionurlauthtype", auth));
        }
        let facts = Facts {
            resource_tags: function.as_deref().map(|function| &function.tags),
            request_tags: (!named.tags.is_empty()).then_some(&named.tags),
            tag_keys: None,
            own: &own,
        };
        let policy = self.policy_of(operation, request);
        let allowed = caller.may(&action(operation), &resource, facts, policy.as_ref());
        allowed.map_err(|denial| denied(&denial))?;
        self.authorise_what_it_uses(caller, operation, request, &named)
    }

    /// A function runs as its role, sees its layers, and is given what its streams hold: whoever arranges that must be
    /// allowed to.
    fn authorise_what_it_uses(
        &self,
        caller: &Caller,
        operation: Operation,
        request: &RestRequest<'_>,
        named: &Named,
    ) -> Result<(), Failure> {
        for layer in &named.layers {
            let layer = self.canonical(layer);
            let policy = self.policy_of_layer(&layer);
            caller
                .may("lambda:GetLayerVersion", &layer, Facts::default(), policy.as_ref())
                .map_err(|denial| denied(&denial))?;
        }
        if let Some(role) = &named.role {
            let own = [("iam:passedtoservice", "lambda.amazonaws.com".to_owned())];
            let facts = Facts { own: &own, ..Facts::default() };
            caller.may("iam:PassRole", role, facts, None).map_err(|denial| denied(&denial))?;
        }
        self.check_role_tells(caller, request, named)?;
        match (operation, &named.source_arn) {
            (Operation::CreateEventSourceMapping, Some(source)) => {
                self.check_role_reads(caller, named, source)
            }
            _ => Ok(()),
        }
    }

    /// AWS asks this when a mapping is made.
    fn check_role_reads(&self, caller: &Caller, named: &Named, source: &str) -> Result<(), Failure> {
        let function = named.function.as_deref().and_then(|name| self.named_function(name));
        let role = function.map(|function| function.settings.role.clone());
        let Some(role) = role.and_then(|role| caller.under(&self.home().account, &role)) else {
            return Ok(());
        };
        let source = self.canonical(source);
        let stream_arn = source.split_once("/consumer/").map_or(source.as_str(), |(stream, _)| stream);
        let state = self.control().state();
        let stream = state.streams.values().find(|stream| stream.arn == stream_arn);
        let policy = stream.and_then(|stream| stream.policy.as_deref());
        let policy = policy.and_then(|text| Policy::parse(text, Kind::Resource).ok());
        let facts = Facts { resource_tags: stream.map(|stream| &stream.tags), ..Facts::default() };
        if READING.iter().all(|action| role.may(action, stream_arn, facts, policy.as_ref()).is_ok()) {
            return Ok(());
        }
        Err(Failure::invalid(format!(
            "Cannot access stream {source}. Please ensure the role can perform the GetRecords, GetShardIterator, \
             DescribeStream, and ListShards Actions on your stream in IAM."
        )))
    }

    /// AWS asks this when somebody is named who is to be told of asynchronous invocations.
    fn check_role_tells(
        &self,
        caller: &Caller,
        request: &RestRequest<'_>,
        named: &Named,
    ) -> Result<(), Failure> {
        let of_function = || {
            let name = request.labels.get("FunctionName")?;
            self.named_function(name).map(|function| function.shown().1.role.clone())
        };
        let role = named.role.clone().or_else(of_function);
        let Some(role) = role.and_then(|role| caller.under(&self.home().account, &role)) else {
            return Ok(());
        };
        let state = self.control().state();
        for target in named.told.iter().filter(|arn| !arn.is_empty()) {
            let Some((action, words)) = telling(target) else { continue };
            let stream = state.streams.values().find(|stream| stream.arn == *target);
            let policy = stream.and_then(|stream| stream.policy.as_deref());
            let policy = policy.and_then(|text| Policy::parse(text, Kind::Resource).ok());
            // Of an object it is told when it is put; here any will do.
            let resource = if action == "s3:PutObject" {
                format!("{target}/aws/lambda/async/x")
            } else {
                target.clone()
            };
            if role.may(action, &resource, Facts::default(), policy.as_ref()).is_err() {
                return Err(Failure::invalid(format!(
                    "The provided execution role does not have permissions to call {words}"
                )));
            }
        }
        Ok(())
    }

    /// The ARN of what a request is about, or `*`.
    fn resource(&self, operation: Operation, request: &RestRequest<'_>, named: &Named) -> String {
        let label = |name: &str| request.labels.get(name);
        if let Some(name) = label("FunctionName") {
            return self.function_resource(name, request.query.get("Qualifier"));
        }
        if operation == Operation::CreateFunction {
            let name = named.function.as_deref();
            return name.map_or_else(|| "*".to_owned(), |name| self.function_resource(name, None));
        }
        if let Some(layer) = label("LayerName") {
            let layer =
                self.layer_name(layer).map(|name| self.home().arn("lambda", format_args!("layer:{name}")));
            let layer = layer.unwrap_or_else(|_elsewhere| "*".to_owned());
            return match label("VersionNumber") {
                Some(version) => format!("{layer}:{version}"),
                None => layer,
            };
        }
        if operation == Operation::GetLayerVersionByArn {
            return self.canonical(request.query.get("Arn").unwrap_or("*"));
        }
        if let Some(uuid) = label("UUID") {
            return self.home().arn("lambda", format_args!("event-source-mapping:{uuid}"));
        }
        // What is tagged, or whose policy it is.
        let other = [
            "Resource",
            "ResourceArn",
            "CodeSigningConfigArn",
            "CapacityProviderName",
            "DurableExecutionArn",
        ];
        match other.iter().find_map(|name| label(name)) {
            Some(text) => self.canonical(text),
            None => "*".to_owned(),
        }
    }

    /// The resource policy of what a request is about.
    fn policy_of(&self, operation: Operation, request: &RestRequest<'_>) -> Option<Policy> {
        let label = |name: &str| request.labels.get(name);
        if let Some(name) = label("FunctionName").or_else(|| label("ResourceArn")) {
            return self.policy_of_function(name, request.query.get("Qualifier"));
        }
        if let (Some(layer), Some(version)) = (label("LayerName"), label("VersionNumber")) {
            let layer = self.layer_name(layer).ok()?;
            return self.policy_of_layer(&self.home().arn("lambda", format_args!("layer:{layer}:{version}")));
        }
        if operation == Operation::GetLayerVersionByArn {
            return self.policy_of_layer(&self.canonical(request.query.get("Arn")?));
        }
        None
    }

    /// That of the version or alias, if one is named.
    pub(crate) fn policy_of_function(&self, name: &str, qualifier: Option<&str>) -> Option<Policy> {
        let target = Target::parse(self.home(), name).ok()?.with_qualifier(qualifier).ok()?;
        let function = self.named_function(&target.name)?;
        let policy = function.policies.get(target.qualifier.as_deref().unwrap_or_default())?;
        // It was read when it was put.
        Policy::parse(&policy.text, Kind::Resource).ok()
    }

    fn policy_of_layer(&self, arn: &str) -> Option<Policy> {
        let (layer, version) = arn.split_once(":layer:")?.1.split_once(':')?;
        let state = self.control().state();
        let version = state.layer_version(&self.home().key(layer), version.parse().ok()?)?;
        let policy = version.policy.as_ref().filter(|_| version.arn == arn)?;
        Policy::parse(&policy.text, Kind::Resource).ok()
    }

    /// An ARN with this server's partition in it; `*` for what is none.
    fn canonical(&self, text: &str) -> String {
        let home = |arn: Arn| self.home().beside(&arn.region, &arn.account).arn(&arn.service, &arn.resource);
        text.parse().map_or_else(|_name| "*".to_owned(), home)
    }

    /// A function by whatever form of its name, with its qualifier if there is one.
    fn function_resource(&self, name: &str, qualifier: Option<&str>) -> String {
        let target = Target::parse(self.home(), name).and_then(|target| target.with_qualifier(qualifier));
        match target {
            Ok(Target { name, qualifier: Some(qualifier), .. }) => {
                format!("{}:{qualifier}", self.home().function_arn(&name))
            }
            Ok(Target { name, .. }) => self.home().function_arn(&name),
            // The operation will say what is wrong with it.
            Err(_) => "*".to_owned(),
        }
    }

    fn named_function(&self, name: &str) -> Option<Arc<Function>> {
        let target = Target::parse(self.home(), name).ok()?;
        self.control().state().functions.get(&self.home().key(&target.name)).cloned()
    }

    /// The function that a request is about, for its tags.
    fn function_of(
        &self,
        operation: Operation,
        request: &RestRequest<'_>,
        named: &Named,
    ) -> Option<Arc<Function>> {
        let tagged = || request.labels.get("Resource").filter(|arn| arn.contains(":function:"));
        let name = request.labels.get("FunctionName").or_else(tagged);
        match name {
            Some(name) => self.named_function(name),
            None if operation == Operation::CreateFunction => None,
            None => named.function.as_deref().and_then(|name| self.named_function(name)),
        }
    }

    /// `lambda:FunctionArn`: the function of an event source mapping, the one that it is to have.
    fn mapped_function(
        &self,
        operation: Operation,
        request: &RestRequest<'_>,
        named: &Named,
    ) -> Option<String> {
        let of_body = || named.function.as_deref().map(|name| self.function_resource(name, None));
        if operation == Operation::CreateEventSourceMapping {
            return of_body();
        }
        let mapping: Option<Arc<Mapping>> =
            request.labels.get("UUID").and_then(|uuid| self.control().state().mappings.get(uuid).cloned());
        mapping.and_then(|mapping| of_body().or_else(|| Some(mapping.settings.function_arn.clone())))
    }
}

/// What IAM calls an operation: its name, but for these (Service Authorization Reference, "Actions defined by AWS Lambda").
fn action(operation: Operation) -> String {
    let name = match operation {
        Operation::Invoke | Operation::InvokeWithResponseStream => "InvokeFunction",
        Operation::GetLayerVersionByArn => "GetLayerVersion",
        other => other.name(),
    };
    format!("lambda:{name}")
}

/// Whether what a request is about, a URL or a statement for URLs, is for everybody (`NONE`) or for who signs (`AWS_IAM`).
fn url_auth(
    operation: Operation,
    request: &RestRequest<'_>,
    named: &Named,
    function: Option<&Function>,
) -> Option<String> {
    use Operation::{DeleteFunctionUrlConfig, GetFunctionUrlConfig, UpdateFunctionUrlConfig};
    if named.url_auth.is_some() {
        return named.url_auth.clone();
    }
    if !matches!(operation, DeleteFunctionUrlConfig | GetFunctionUrlConfig | UpdateFunctionUrlConfig) {
        return None;
    }
    let present = function?.urls.get(request.query.get("Qualifier").unwrap_or_default())?;
    Some(present.settings.auth.as_str().to_owned())
}

/// The action that telling a destination is, and AWS's words for it.
fn telling(arn: &str) -> Option<(&'static str, &'static str)> {
    Some(match arn.split(':').nth(2)? {
        "sqs" => ("sqs:SendMessage", "SendMessage on SQS"),
        "sns" => ("sns:Publish", "Publish on SNS"),
        "s3" => ("s3:PutObject", "PutObject on S3"),
        "events" => ("events:PutEvents", "PutEvents on EventBridge"),
        "lambda" => ("lambda:InvokeFunction", "InvokeFunction on Lambda"),
        "kinesis" => ("kinesis:PutRecord", "PutRecord on Kinesis"),
        _ => return None,
    })
}

/// Whether an operation's body says what it is about. Others' bodies may be anything, a payload for one.
fn names_in_body(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CreateFunction
            | Operation::CreateFunctionUrlConfig
            | Operation::UpdateFunctionUrlConfig
            | Operation::AddPermission
            | Operation::UpdateFunctionConfiguration
            | Operation::PutFunctionEventInvokeConfig
            | Operation::UpdateFunctionEventInvokeConfig
            | Operation::CreateEventSourceMapping
            | Operation::UpdateEventSourceMapping
            | Operation::TagResource
    )
}

/// The members of bodies that say what it is about.
#[derive(Debug, Default)]
struct Named {
    function: Option<String>,
    role: Option<String>,
    layers: Vec<String>,
    source_arn: Option<String>,
    tags: BTreeMap<String, String>,
    /// Who is to be told of asynchronous invocations.
    told: Vec<String>,
    /// Who is let in by a statement.
    principal: Option<String>,
    url_auth: Option<String>,
}

impl Decode for Named {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        const MEMBERS: [&str; 10] = [
            "FunctionName",
            "Role",
            "Layers",
            "EventSourceArn",
            "Tags",
            "DeadLetterConfig",
            "DestinationConfig",
            "Principal",
            "AuthType",
            "FunctionUrlAuthType",
        ];
        let mut out = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => out.function = Decode::decode(d)?,
                1 => out.role = Decode::decode(d)?,
                2 => out.layers = Decode::decode(d)?,
                3 => out.source_arn = Decode::decode(d)?,
                4 => out.tags = Decode::decode(d)?,
                5 => {
                    let config: Option<api::DeadLetterConfig> = Decode::decode(d)?;
                    out.told.extend(config.and_then(|config| config.target_arn));
                }
                7 => out.principal = Decode::decode(d)?,
                8 | 9 => out.url_auth = Decode::decode(d)?,
                _ => {
                    let config: Option<api::DestinationConfig> = Decode::decode(d)?;
                    let config = config.unwrap_or_default();
                    out.told.extend(config.on_success.and_then(|end| end.destination));
                    out.told.extend(config.on_failure.and_then(|end| end.destination));
                }
            }
        }
        Ok(out)
    }
}

fn denied(denial: &Denial) -> Failure {
    Failure::new(ErrorCode::AccessDeniedException, denial.to_string())
}
