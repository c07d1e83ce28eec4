//! Requests as clients send them, through the REST bindings.

use bytes::Bytes;
use millstream_api_lambda::{
    CreateEventSourceMapping, CreateEventSourceMappingRequest, CreateFunction, CreateFunctionRequest,
    DeleteFunction, DeleteFunctionResponse, Error, ErrorCode, EventSourceMappingConfiguration,
    FunctionConfiguration, InvocationRequest, InvocationResponse, InvocationType, Invoke,
    ListEventSourceMappingsRequest, LogType, Operation, ROUTES, Runtime, TagResource, UntagResourceRequest,
    route,
};
use millstream_shapes::{
    ApiOperation, Codec, Empty, ErrorName, Labels, Query, RestInput, RestRequest, check, respond,
};
use millstream_types::Timestamp;
use millstream_wire::error_body;
use millstream_wire::json::RestJson;
use proptest::prelude::*;

fn request<'a>(method: &str, path: &str, query: &str, body: &'static str) -> (Operation, RestRequest<'a>) {
    let query = Query::parse(query).expect("a query");
    let (operation, labels) = route(method, path, &query).expect("a route");
    (operation, RestRequest { labels, query, headers: vec![], body: Bytes::from_static(body.as_bytes()) })
}

/// A path for a template: every label gets a value with a colon and an encoded slash.
fn example(template: &str) -> String {
    let fill = |part: &str| if part.starts_with('{') { "arn:aws:x%2Fy".to_owned() } else { part.to_owned() };
    template.split('/').map(fill).collect::<Vec<_>>().join("/")
}

#[test]
fn every_operation_is_found_by_its_own_path() {
    assert_eq!(ROUTES.len(), Operation::ALL.len());
    assert_eq!(Operation::ALL.len(), 91);
    for route_of in &ROUTES {
        let raw = route_of.query().map(|(key, value)| format!("{key}={value}")).unwrap_or_default();
        let query = Query::parse(&raw).unwrap();
        for path in [example(route_of.template()), example(route_of.template()) + "/"] {
            let (operation, labels) = route(route_of.method(), &path, &query).unwrap();
            assert_eq!(operation, route_of.operation, "{path}");
            assert!(labels.0.iter().all(|(_, value)| value == "arn:aws:x/y"), "{labels:?}");
            assert_eq!(labels.0.len(), route_of.template().matches('{').count());
        }
    }
}

#[test]
fn paths_that_are_no_operation() {
    let none = Query::default();
    for (method, path) in [
        ("GET", "/"),
        ("PATCH", "/2015-03-31/functions"),
        ("GET", "/2015-03-31/functions//code"),
        ("GET", "/2015-03-31/functions/f/g/h"),
        ("GET", "2015-03-31/functions"),
    ] {
        assert_eq!(route(method, path, &none), None, "{method} {path}");
    }
}

#[test]
fn a_query_parameter_chooses_between_operations() {
    let find = |query: &str| route("GET", "/2018-10-31/layers", &Query::parse(query).unwrap()).unwrap().0;
    assert_eq!(find("find=LayerVersion&Arn=x"), Operation::GetLayerVersionByArn);
    assert_eq!(find("MaxItems=5"), Operation::ListLayers);
}

#[test]
fn create_function_with_a_zip() {
    let body = concat!(
        r#"{"FunctionName": "hello", "Runtime": "python3.12", "Role": "arn:aws:iam::000000000000:role/r", "#,
        r#""Handler": "app.handler", "Code": {"ZipFile": "UEsDBA=="}, "Timeout": 30, "#,
        r#""Environment": {"Variables": {"SECRET": "hush"}}}"#
    );
    let (operation, request) = request("POST", "/2015-03-31/functions", "", body);
    assert_eq!(operation, Operation::CreateFunction);
    let input = CreateFunctionRequest::from_request(&RestJson, &request).unwrap();
    check(&input).unwrap();
    assert_eq!(input.function_name, "hello");
    assert_eq!(input.runtime, Some(Runtime::Python3_12));
    assert_eq!(input.code.zip_file.as_deref(), Some(&b"PK\x03\x04"[..]));
    assert!(!format!("{input:?}").contains("hush"), "secrets stay out of the log");

    let output = FunctionConfiguration { function_name: Some("hello".to_owned()), ..Default::default() };
    let response = respond::<CreateFunction, _>(&RestJson, &output);
    assert_eq!((response.status, response.content_type), (201, Some("application/json")));
    assert_eq!(response.body, r#"{"FunctionName":"hello"}"#);
}

#[test]
fn a_label_is_validated_like_any_member() {
    let (_, request) = request("GET", "/2015-03-31/functions/no%20good", "", "");
    let input = millstream_api_lambda::GetFunctionRequest::from_request(&RestJson, &request).unwrap();
    let text = check(&input).unwrap_err().to_string();
    let start = "1 validation error detected: Value 'no good' at 'functionName' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: (arn:";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn invoke_binds_headers_and_payload() {
    let (operation, mut request) =
        request("POST", "/2015-03-31/functions/f%3Alive/invocations", "Qualifier=live", r#"{"a":1}"#);
    assert_eq!(operation, Operation::Invoke);
    request.headers = vec![("x-amz-invocation-type", "RequestResponse"), ("X-Amz-Log-Type", "Tail")];
    let input = InvocationRequest::from_request(&RestJson, &request).unwrap();
    check(&input).unwrap();
    assert_eq!(input.function_name, "f:live");
    assert_eq!(input.invocation_type, Some(InvocationType::RequestResponse));
    assert_eq!(input.log_type, Some(LogType::Tail));
    assert_eq!(input.qualifier.as_deref(), Some("live"));
    assert_eq!(input.payload.as_deref(), Some(&br#"{"a":1}"#[..]));

    let output = InvocationResponse {
        status_code: Some(200),
        function_error: Some("Unhandled".to_owned()),
        executed_version: Some("$LATEST".to_owned()),
        payload: Some(Bytes::from_static(b"null")),
        ..Default::default()
    };
    let response = respond::<Invoke, _>(&RestJson, &output);
    assert_eq!((response.status, response.body), (200, Bytes::from_static(b"null")));
    assert!(response.headers.contains(&("X-Amz-Function-Error", "Unhandled".to_owned())));
    assert!(response.headers.contains(&("X-Amz-Executed-Version", "$LATEST".to_owned())));
    let accepted = InvocationResponse { status_code: Some(202), ..Default::default() };
    let response = respond::<Invoke, _>(&RestJson, &accepted);
    assert_eq!((response.status, response.body, response.content_type), (202, Bytes::new(), None));
}

#[test]
fn list_event_source_mappings_reads_its_query() {
    let query = "EventSourceArn=arn%3Aaws%3Akinesis%3Aus-east-1%3A000000000000%3Astream%2Forders&MaxItems=50";
    let (operation, request) = request("GET", "/2015-03-31/event-source-mappings/", query, "");
    assert_eq!(operation, Operation::ListEventSourceMappings);
    let input = ListEventSourceMappingsRequest::from_request(&RestJson, &request).unwrap();
    check(&input).unwrap();
    assert_eq!(input.max_items, Some(50));
    assert_eq!(
        input.event_source_arn.as_deref(),
        Some("arn:aws:kinesis:us-east-1:000000000000:stream/orders")
    );
    let broken = RestRequest { query: Query::parse("MaxItems=many").unwrap(), ..Default::default() };
    let error: Error = ListEventSourceMappingsRequest::from_request(&RestJson, &broken).unwrap_err().into();
    assert_eq!(error.code, ErrorCode::SerializationException);
}

#[test]
fn event_source_mappings_there_and_back() {
    let body = concat!(
        r#"{"EventSourceArn":"arn:aws:kinesis:us-east-1:000000000000:stream/s","FunctionName":"f","#,
        r#""StartingPosition":"AT_TIMESTAMP","StartingPositionTimestamp":1700000000.25,"BatchSize":10,"#,
        r#""FilterCriteria":{"Filters":[{"Pattern":"{}"}]}}"#
    );
    let (operation, request) = request("POST", "/2015-03-31/event-source-mappings", "", body);
    assert_eq!(operation, Operation::CreateEventSourceMapping);
    let input = CreateEventSourceMappingRequest::from_request(&RestJson, &request).unwrap();
    check(&input).unwrap();
    assert_eq!(input.starting_position_timestamp, Some(Timestamp::from_millis(1_700_000_000_250)));
    let input = CreateEventSourceMappingRequest { batch_size: Some(10_001), ..input };
    assert_eq!(
        check(&input).unwrap_err().to_string(),
        "1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: \
         Member must have value less than or equal to 10000"
    );

    let output = EventSourceMappingConfiguration {
        batch_size: Some(100),
        last_modified: Some(Timestamp::from_millis(1_545_084_650_987)),
        function_response_types: Some(vec![]),
        ..Default::default()
    };
    let response = respond::<CreateEventSourceMapping, _>(&RestJson, &output);
    assert_eq!(response.status, 202);
    let text = std::str::from_utf8(&response.body).unwrap();
    assert!(text.contains(r#""LastModified":1545084650.987"#), "{text}");
    assert!(text.contains(r#""FunctionResponseTypes":[]"#), "{text}");
}

#[test]
fn answers_without_a_body() {
    let response = respond::<DeleteFunction, _>(&RestJson, &DeleteFunctionResponse::default());
    assert_eq!((response.status, response.body, response.content_type), (204, Bytes::new(), None));
    let response = respond::<TagResource, _>(&RestJson, &Empty);
    assert_eq!((response.status, response.body), (204, Bytes::new()));
    let (_, request) =
        request("DELETE", "/2017-03-31/tags/arn%3Aaws%3Alambda", "tagKeys=a&tagKeys=b%20c", "");
    let input = UntagResourceRequest::from_request(&RestJson, &request).unwrap();
    assert_eq!(
        (input.resource.as_str(), input.tag_keys),
        ("arn:aws:lambda", vec!["a".to_owned(), "b c".to_owned()])
    );
    assert_eq!((TagResource::HAS_OUTPUT, CreateFunction::HAS_OUTPUT), (false, true));
}

#[test]
fn errors_as_lambda_writes_them() {
    let error = Error::new(ErrorCode::ResourceNotFoundException, "Function not found: arn");
    let response = error_body::rest(&error);
    assert_eq!(response.status, 404);
    assert_eq!(response.body, r#"{"Type":"User","Message":"Function not found: arn"}"#);
    let error = Error::new(ErrorCode::TooManyRequestsException, "Rate Exceeded.")
        .with("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded");
    let response = error_body::rest(&error);
    assert_eq!(response.status, 429);
    assert_eq!(
        response.body,
        r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#
    );
    assert_eq!(
        error_body::rest(&Error::new(ErrorCode::ValidationException, "no")).body,
        r#"{"message":"no"}"#
    );
    assert_eq!(ErrorCode::ServiceException.status(), 500);
    assert!(ErrorCode::ServiceException.fault());
}

proptest! {
    #[test]
    fn any_path_is_routed_or_not(path in "/[a-z0-9%/.:-]{0,60}", raw in "[a-zA-Z=&%+0-9]{0,40}") {
        if let Ok(query) = Query::parse(&raw) {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                if let Some((_, labels)) = route(method, &path, &query) {
                    prop_assert!(labels.0.len() <= 4);
                }
            }
        }
    }

    #[test]
    fn any_body_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let request = RestRequest { body: Bytes::from(body), labels: Labels::default(), ..Default::default() };
        if let Ok(input) = CreateFunctionRequest::from_request(&RestJson, &request) {
            prop_assert!(check(&input).is_err());
        }
    }
}

#[test]
fn bodies_are_json() {
    assert_eq!(RestJson::CONTENT_TYPE, "application/json");
    assert_eq!(CreateFunction::OPERATION, Operation::CreateFunction);
}
