//! Policies as they decide.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_iam::{Caller, Facts, Kind, Policy, Principal};
use millstream_types::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

const STREAM: &str = "arn:aws:kinesis:us-east-1:111122223333:stream/orders";

fn caller(policies: &[&str]) -> Caller {
    let parse = |text: &&str| Arc::new(Policy::parse(text, Kind::Identity).unwrap());
    Caller {
        principal: Principal::User { account: "111122223333".into(), name: "ada".into(), id: "AIDA1".into() },
        policies: policies.iter().map(parse).collect(),
        tags: BTreeMap::from([("team".into(), "orders".into())]),
        region: "us-east-1".into(),
        source_ip: Some("10.1.2.3".parse().unwrap()),
        secure: false,
        user_agent: Some("aws-cli/2".into()),
        source_function: None,
        now: Timestamp::from_millis(1_795_405_546_000),
        roles: None,
    }
}

fn statement(members: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":{{{members}}}}}"#)
}

fn may(policies: &[&str], action: &str) -> bool {
    caller(policies).may(action, STREAM, Facts::default(), None).is_ok()
}

/// Whether one Allow with this condition lets a request through.
fn holds_with(condition: &str, facts: Facts<'_>) -> bool {
    let policy = statement(&format!(
        r#""Effect":"Allow","Action":"kinesis:*","Resource":"*","Condition":{condition}"#
    ));
    caller(&[&policy]).may("kinesis:PutRecord", STREAM, facts, None).is_ok()
}

fn holds(condition: &str) -> bool {
    holds_with(condition, Facts::default())
}

#[test]
fn what_nothing_allows_is_denied() {
    assert!(!may(&[], "kinesis:PutRecord"));
    let put = statement(&format!(r#""Effect":"Allow","Action":"kinesis:Put*","Resource":"{STREAM}""#));
    assert!(may(&[&put], "kinesis:PutRecord") && may(&[&put], "kinesis:PutRecords"));
    assert!(!may(&[&put], "kinesis:GetRecords"));
    let other = put.replace("orders", "others");
    assert!(!may(&[&other], "kinesis:PutRecord"));
    let denial = caller(&[&put]).may("kinesis:GetRecords", STREAM, Facts::default(), None).unwrap_err();
    assert_eq!(
        denial.to_string(),
        "User: arn:aws:iam::111122223333:user/ada is not authorized to perform: kinesis:GetRecords on resource: \
         arn:aws:kinesis:us-east-1:111122223333:stream/orders because no identity-based policy allows the \
         kinesis:GetRecords action"
    );
}

#[test]
fn an_explicit_deny_wins() {
    let all = statement(r#""Effect":"Allow","Action":"*","Resource":"*""#);
    let no = statement(r#""Effect":"Deny","Action":"kinesis:DeleteStream","Resource":"*""#);
    assert!(may(&[&all, &no], "kinesis:PutRecord"));
    let denial =
        caller(&[&all, &no]).may("kinesis:DeleteStream", STREAM, Facts::default(), None).unwrap_err();
    assert!(denial.to_string().ends_with("stream/orders with an explicit deny in an identity-based policy"));
}

#[test]
fn not_action_and_not_resource() {
    let reads = statement(r#""Effect":"Allow","NotAction":["kinesis:Delete*","lambda:*"],"Resource":"*""#);
    assert!(may(&[&reads], "kinesis:PutRecord") && !may(&[&reads], "kinesis:DeleteStream"));
    assert!(!may(&[&reads], "lambda:InvokeFunction"));
    let others = statement(&format!(r#""Effect":"Allow","Action":"kinesis:*","NotResource":"{STREAM}""#));
    assert!(!may(&[&others], "kinesis:PutRecord"));
    // Actions are compared without regard to case, resources with it.
    let lower = statement(r#""Effect":"Allow","Action":"KINESIS:putrecord","Resource":"*""#);
    assert!(may(&[&lower], "kinesis:PutRecord"));
    let upper = statement(&format!(
        r#""Effect":"Allow","Action":"*","Resource":"{}""#,
        STREAM.replace("orders", "Orders")
    ));
    assert!(!may(&[&upper], "kinesis:PutRecord"));
}

#[test]
fn variables_stand_for_the_caller() {
    let own = |resource: &str| {
        let text = statement(&format!(
            r#""Effect":"Allow","Action":"kinesis:*","Resource":"arn:aws:kinesis:*:*:{resource}""#
        ));
        let policy = Policy::parse(&text, Kind::Identity).unwrap();
        let mut caller = caller(&[]);
        caller.policies.push(Arc::new(policy));
        move |stream: &str| {
            let arn = format!("arn:aws:kinesis:us-east-1:111122223333:stream/{stream}");
            caller.may("kinesis:PutRecord", &arn, Facts::default(), None).is_ok()
        }
    };
    assert!(own("stream/${aws:username}-*")("ada-1"));
    assert!(!own("stream/${aws:username}-*")("bob-1"));
    assert!(own("stream/${aws:PrincipalTag/team}")("orders"));
    assert!(!own("stream/${aws:PrincipalTag/none}")("${aws:PrincipalTag/none}"));
    assert!(own("stream/${aws:PrincipalTag/none, 'shared'}")("shared"));
    // What a variable stands for is a text, also where it looks like a wildcard.
    assert!(own("stream/a${*}")("a*") && !own("stream/a${*}")("ab"));
    // Before 2012 there were none.
    let old =
        statement(r#""Effect":"Allow","Action":"*","Resource":"arn:aws:kinesis:*:*:stream/${aws:username}""#)
            .replace("2012-10-17", "2008-10-17");
    assert!(!may(&[&old], "kinesis:PutRecord"));
}

#[test]
fn conditions_on_texts() {
    let equals =
        |operator: &str, value: &str| holds(&format!(r#"{{"{operator}":{{"aws:username":{value}}}}}"#));
    assert!(equals("StringEquals", r#""ada""#) && !equals("StringEquals", r#""Ada""#));
    assert!(equals("StringEquals", r#"["bob","ada"]"#) && !equals("StringEquals", r#""a*""#));
    assert!(!equals("StringNotEquals", r#"["bob","ada"]"#) && equals("StringNotEquals", r#"["bob","eve"]"#));
    assert!(equals("StringEqualsIgnoreCase", r#""ADA""#) && !equals("StringNotEqualsIgnoreCase", r#""ADA""#));
    assert!(equals("StringLike", r#""a?a""#) && !equals("StringNotLike", r#""a*""#));
    assert!(equals("StringEquals", r#""${aws:username}""#));
    // Keys are compared without regard to case.
    assert!(holds(r#"{"StringEquals":{"AWS:UserName":"ada"}}"#));
}

#[test]
fn conditions_on_arns() {
    let arn =
        |operator: &str, value: &str| holds(&format!(r#"{{"{operator}":{{"aws:PrincipalArn":"{value}"}}}}"#));
    for operator in ["ArnEquals", "ArnLike"] {
        assert!(arn(operator, "arn:aws:iam::*:user/a*"));
        assert!(!arn(operator, "arn:aws:iam::111122223333:user/bob"));
        assert!(!arn(operator, "arn:*:user/ada"), "a wildcard stays in its part");
    }
    assert!(!arn("ArnNotLike", "arn:aws:iam::*:user/a*") && arn("ArnNotEquals", "arn:aws:iam::*:user/b*"));
    assert!(holds(
        r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333","aws:ResourceAccount":"111122223333"}}"#
    ));
}

#[test]
fn conditions_on_numbers_dates_and_booleans() {
    let epoch =
        |operator: &str, value: &str| holds(&format!(r#"{{"{operator}":{{"aws:EpochTime":{value}}}}}"#));
    assert!(epoch("NumericEquals", "1795405546") && !epoch("NumericNotEquals", r#""1795405546""#));
    assert!(epoch("NumericLessThan", "1795405547") && !epoch("NumericLessThan", "1795405546"));
    assert!(epoch("NumericLessThanEquals", "1795405546") && epoch("NumericGreaterThanEquals", "1795405546"));
    assert!(epoch("NumericGreaterThan", "0") && !epoch("NumericGreaterThan", "1795405546"));
    let date =
        |operator: &str, value: &str| holds(&format!(r#"{{"{operator}":{{"aws:CurrentTime":"{value}"}}}}"#));
    assert!(date("DateLessThan", "2026-11-23T04:00:00Z") && !date("DateLessThan", "2026-11-23T03:00:00Z"));
    assert!(date("DateGreaterThan", "2026-11-23") && date("DateEquals", "2026-11-23T03:45:46Z"));
    assert!(
        date("DateGreaterThanEquals", "2026-11-23T03:45:46Z")
            && date("DateLessThanEquals", "2026-11-23T03:45:46Z")
    );
    assert!(!date("DateNotEquals", "1795405546"));
    assert!(
        holds(r#"{"Bool":{"aws:SecureTransport":"false"}}"#)
            && !holds(r#"{"Bool":{"aws:SecureTransport":true}}"#)
    );
}

#[test]
fn conditions_on_addresses() {
    let from =
        |operator: &str, value: &str| holds(&format!(r#"{{"{operator}":{{"aws:SourceIp":{value}}}}}"#));
    assert!(from("IpAddress", r#""10.0.0.0/8""#) && !from("IpAddress", r#""192.0.2.0/24""#));
    assert!(from("IpAddress", r#"["192.0.2.0/24","10.1.2.3"]"#));
    assert!(
        !from("NotIpAddress", r#"["192.0.2.0/24","10.1.2.3"]"#) && from("NotIpAddress", r#""192.0.2.0/24""#)
    );
}

#[test]
fn a_key_that_is_not_there() {
    let source =
        |operator: &str| holds(&format!(r#"{{"{operator}":{{"aws:SourceArn":"arn:aws:x:y:z:w"}}}}"#));
    assert!(!source("ArnLike") && source("ArnLikeIfExists") && source("ArnNotLike"));
    assert!(!source("StringEquals") && source("StringEqualsIfExists") && source("StringNotEquals"));
    let null = |key: &str, is: &str| holds(&format!(r#"{{"Null":{{"{key}":"{is}"}}}}"#));
    assert!(null("aws:SourceArn", "true") && !null("aws:SourceArn", "false"));
    assert!(!null("aws:username", "true") && null("aws:username", "false"));
}

#[test]
fn conditions_on_tags() {
    let tags = BTreeMap::from([("env".to_owned(), "test".to_owned()), ("team".to_owned(), "x".to_owned())]);
    let resource = Facts { resource_tags: Some(&tags), ..Facts::default() };
    assert!(holds_with(r#"{"StringEquals":{"aws:ResourceTag/Env":"test"}}"#, resource));
    assert!(!holds_with(r#"{"StringEquals":{"aws:ResourceTag/other":"test"}}"#, resource));
    let request = Facts { request_tags: Some(&tags), ..Facts::default() };
    assert!(holds_with(r#"{"StringEquals":{"aws:RequestTag/env":"test"}}"#, request));
    let keys = |operator: &str, values: &str, facts| {
        holds_with(&format!(r#"{{"{operator}":{{"aws:TagKeys":{values}}}}}"#), facts)
    };
    assert!(keys("ForAllValues:StringEquals", r#"["env","team","more"]"#, request));
    assert!(!keys("ForAllValues:StringEquals", r#"["env"]"#, request));
    assert!(keys("ForAnyValue:StringEquals", r#"["env"]"#, request));
    assert!(!keys("ForAnyValue:StringEquals", r#"["none"]"#, request));
    // Of no values, all are anything and none is something.
    assert!(keys("ForAllValues:StringEquals", r#"["env"]"#, Facts::default()));
    assert!(!keys("ForAnyValue:StringEquals", r#"["env"]"#, Facts::default()));
    let names = ["env".to_owned()];
    let untag = Facts { tag_keys: Some(&names), ..Facts::default() };
    assert!(keys("ForAllValues:StringEquals", r#"["env"]"#, untag));
    let own = [("lambda:functionarn", "arn:aws:lambda:us-east-1:111122223333:function:f".to_owned())];
    let facts = Facts { own: &own, ..Facts::default() };
    assert!(holds_with(r#"{"ArnLike":{"lambda:FunctionArn":"arn:aws:lambda:*:*:function:f"}}"#, facts));
}

#[test]
fn every_condition_must_hold() {
    assert!(holds(r#"{"StringEquals":{"aws:username":"ada"},"Bool":{"aws:SecureTransport":"false"}}"#));
    assert!(!holds(r#"{"StringEquals":{"aws:username":"ada"},"Bool":{"aws:SecureTransport":"true"}}"#));
    assert!(!holds(r#"{"StringEquals":{"aws:username":"ada","aws:PrincipalAccount":"999999999999"}}"#));
}

fn with_resource(
    principal: &str,
    identity: &[&str],
    caller_account: &str,
    effect: &str,
) -> Result<(), String> {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":{principal},"Action":"kinesis:PutRecord","Resource":"{STREAM}"}}]}}"#
    );
    let policy = Policy::parse(&text, Kind::Resource).unwrap();
    let mut caller = caller(identity);
    caller.principal =
        Principal::User { account: caller_account.into(), name: "ada".into(), id: "AIDA1".into() };
    let may = caller.may("kinesis:PutRecord", STREAM, Facts::default(), Some(&policy));
    may.map_err(|denial| denial.to_string())
}

#[test]
fn resource_policies_and_identity_policies_together() {
    let all = statement(r#""Effect":"Allow","Action":"*","Resource":"*""#);
    let (home, away) = ("111122223333", "444455556666");
    let user = |account: &str| format!(r#"{{"AWS":"arn:aws:iam::{account}:user/ada"}}"#);
    // Within the account either is enough …
    assert!(with_resource(&user(home), &[], home, "Allow").is_ok());
    assert!(with_resource("\"*\"", &[], home, "Allow").is_ok());
    assert!(with_resource(&user(away), &[&all], home, "Allow").is_ok());
    // … but the account itself only hands the decision on.
    assert!(with_resource(&format!(r#"{{"AWS":"{home}"}}"#), &[], home, "Allow").is_err());
    // Across accounts both are needed.
    assert!(with_resource(&user(away), &[&all], away, "Allow").is_ok());
    assert!(
        with_resource(&format!(r#"{{"AWS":"arn:aws:iam::{away}:root"}}"#), &[&all], away, "Allow").is_ok()
    );
    let only_resource = with_resource(&user(away), &[], away, "Allow").unwrap_err();
    assert!(only_resource.ends_with("because no identity-based policy allows the kinesis:PutRecord action"));
    let only_identity = with_resource(&user(home), &[&all], away, "Allow").unwrap_err();
    assert!(only_identity.ends_with("because no resource-based policy allows the kinesis:PutRecord action"));
    // A deny is a deny.
    let denied = with_resource(&user(home), &[&all], home, "Deny").unwrap_err();
    assert!(denied.ends_with("with an explicit deny in a resource-based policy"));
    assert!(with_resource(&format!(r#"{{"AWS":"{home}"}}"#), &[&all], home, "Deny").is_err());
    assert!(with_resource(r#"{"Service":"lambda.amazonaws.com"}"#, &[], home, "Allow").is_err());
}

#[test]
fn a_session_is_its_role() {
    let role = "arn:aws:iam::111122223333:role/service/writer";
    let session = Principal::Session {
        account: "111122223333".into(),
        role_arn: role.into(),
        session: "f".into(),
        id: "AROA1".into(),
    };
    assert_eq!(session.arn(), "arn:aws:sts::111122223333:assumed-role/writer/f");
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{role}"}},"Action":"kinesis:*","Resource":"*"}}}}"#
    );
    let policy = Policy::parse(&text, Kind::Resource).unwrap();
    let caller = Caller { principal: session, ..caller(&[]) };
    assert!(caller.may("kinesis:PutRecord", STREAM, Facts::default(), Some(&policy)).is_ok());
}

#[test]
fn what_is_not_understood_is_refused() {
    let refused = |text: &str, kind| Policy::parse(text, kind).unwrap_err().to_string();
    let identity = |members: &str| refused(&statement(members), Kind::Identity);
    assert!(refused("{", Kind::Identity).contains("not JSON"));
    assert!(refused("[]", Kind::Identity).contains("not a JSON object"));
    assert!(refused(r#"{"Version":"2012-10-17"}"#, Kind::Identity).contains("no Statement"));
    assert!(refused(r#"{"Version":"2026-01-01","Statement":[]}"#, Kind::Identity).contains("Version"));
    assert!(refused(r#"{"Mood":"good","Statement":[]}"#, Kind::Identity).contains("Mood"));
    assert!(refused(r#"{"Statement":[]}"#, Kind::Identity).contains("from 1 to"));
    assert!(refused(&" ".repeat(30_000), Kind::Identity).contains("bytes"));
    assert!(identity(r#""Effect":"Maybe","Action":"*","Resource":"*""#).contains("Effect"));
    assert!(identity(r#""Effect":"Allow","Resource":"*""#).contains("no Action"));
    assert!(identity(r#""Effect":"Allow","Action":"*""#).contains("no Resource"));
    assert!(identity(r#""Effect":"Allow","Action":"PutRecord","Resource":"*""#).contains("PutRecord"));
    assert!(identity(r#""Effect":"Allow","Action":[],"Resource":"*""#).contains("from 1 to"));
    assert!(identity(r#""Effect":"Allow","Action":"*","NotAction":"*","Resource":"*""#).contains("both"));
    assert!(identity(r#""Effect":"Allow","Action":"*","Resource":"orders""#).contains("orders"));
    assert!(
        identity(r#""Effect":"Allow","Action":"*","Resource":"*","Principal":"*""#).contains("Principal")
    );
    assert!(identity(r#""Effect":"Allow","Action":"*","Resource":"*","Mood":"x""#).contains("Mood"));
    let condition =
        |text: &str| identity(&format!(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{text}"#));
    assert!(condition("[]").contains("Condition"));
    assert!(condition(r#"{"StringSounds":{"aws:username":"a"}}"#).contains("StringSounds"));
    assert!(condition(r#"{"ForMost:StringEquals":{"aws:username":"a"}}"#).contains("ForMost"));
    assert!(condition(r#"{"NullIfExists":{"aws:username":"true"}}"#).contains("NullIfExists"));
    assert!(condition(r#"{"StringEquals":{"username":"a"}}"#).contains("condition key"));
    assert!(condition(r#"{"IpAddress":{"aws:SourceIp":"home"}}"#).contains("compare"));
    assert!(condition(r#"{"NumericEquals":{"aws:EpochTime":"x"}}"#).contains("compare"));
    assert!(condition(r#"{"DateLessThan":{"aws:CurrentTime":"soon"}}"#).contains("compare"));
    assert!(condition(r#"{"Bool":{"aws:SecureTransport":"maybe"}}"#).contains("compare"));
    assert!(condition(r#"{"StringEquals":{"aws:username":{}}}"#).contains("not strings"));
    let resource = |principal: &str| {
        refused(
            &statement(&format!(r#""Effect":"Allow","Action":"*","Resource":"*"{principal}"#)),
            Kind::Resource,
        )
    };
    assert!(resource("").contains("no Principal"));
    assert!(resource(r#","Principal":"ada""#).contains("Principal"));
    assert!(resource(r#","Principal":{"AWS":"ada"}"#).contains("Invalid principal in policy"));
    assert!(
        resource(r#","Principal":{"AWS":"arn:aws:iam::111122223333:user/*"}"#).contains("Invalid principal")
    );
    assert!(resource(r#","Principal":{"Robot":"x"}"#).contains("Robot"));
}
