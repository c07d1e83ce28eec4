//! What becomes of each operation and parameter of a service.

use super::rules::{Rule, Status};
use super::{read, tests_of};
use crate::codegen::model::{Kind, Model};
use crate::codegen::names;
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::path::Path;

/// An operation of the model.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: String,
    /// Nothing if the operation is not supported.
    pub(super) built: Option<Built>,
}

#[derive(Debug)]
pub(super) struct Built {
    pub(super) parameters: Vec<Parameter>,
    /// The kinds of tests that call it.
    pub(super) tests: Vec<&'static str>,
}

#[derive(Debug)]
pub(super) struct Parameter {
    /// `Code.S3Bucket`.
    pub(super) path: String,
    pub(super) status: Status,
    pub(super) why: Option<String>,
    /// The rule is about the parameter wherever it is.
    pub(super) everywhere: bool,
}

pub(super) fn operations(
    root: &Path,
    service: &str,
    model: &Model,
    rules: &[Rule],
) -> Result<Vec<Operation>> {
    let tests = tests_of::Tests::read(root, service)?;
    let mut sources = String::new();
    tests_of::gather(&root.join(format!("crates/{service}/src")), &mut sources)?;
    let mut judge = Judge { model, rules, used: BTreeSet::new(), unsaid: Vec::new() };
    judge.refusals(&sources);
    let mut operations = Vec::new();
    for (name, operation) in model.operations.iter() {
        let file = format!("crates/{service}/src/ops/{}.rs", names::snake(name));
        let source = read(&root.join(&file))?;
        let built = (!source.is_empty()).then(|| {
            let mut parameters = Vec::new();
            if let Some(input) = &operation.input {
                judge.structure(
                    &mut parameters,
                    &Place { operation: name, file: &file, source: &source },
                    &input.shape,
                    "",
                );
            }
            Built { parameters, tests: tests.of(name) }
        });
        operations.push(Operation { name: name.to_owned(), built });
    }
    judge.finish()?;
    Ok(operations)
}

struct Judge<'a> {
    model: &'a Model,
    rules: &'a [Rule],
    /// Rules that fit something: place, operation if the rule names it, and which of its parameters.
    used: BTreeSet<(usize, Option<String>, Option<String>)>,
    unsaid: Vec<String>,
}

/// What a rule says.
struct Said {
    status: Status,
    why: String,
    everywhere: bool,
}

impl Said {
    fn of(self, path: &str) -> Parameter {
        let Self { status, why, everywhere } = self;
        Parameter { path: path.to_owned(), status, why: Some(why), everywhere }
    }
}

/// An operation, and its file.
struct Place<'a> {
    operation: &'a str,
    file: &'a str,
    source: &'a str,
}

impl Judge<'_> {
    /// Judge the members of a structure, or of what a list holds.
    fn structure(&mut self, out: &mut Vec<Parameter>, place: &Place<'_>, shape: &str, above: &str) {
        let Some(shape) = self.model.shapes.get(shape) else { return };
        if shape.kind == Kind::List {
            if let Some(member) = &shape.member {
                self.structure(out, place, &member.shape, above);
            }
            return;
        }
        for (name, member) in shape.members.iter() {
            let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
            if let Some(said) = self.rule(place.operation, &path) {
                out.push(said.of(&path));
                self.exceptions(out, place, &member.shape, &path);
            } else if !has_word(place.source, &names::snake(name)) {
                self.unsaid.push(format!("{} of {} is not read by {}", path, place.operation, place.file));
            } else {
                let before = out.len();
                self.structure(out, place, &member.shape, &path);
                if out.len() == before {
                    out.push(Parameter { path, status: Status::Supported, why: None, everywhere: false });
                }
            }
        }
    }

    /// What is below a parameter that has a rule follows it, but for what has a rule of its own.
    fn exceptions(&mut self, out: &mut Vec<Parameter>, place: &Place<'_>, shape: &str, above: &str) {
        let Some(shape) = self.model.shapes.get(shape) else { return };
        if let Some(member) = &shape.member {
            return self.exceptions(out, place, &member.shape, above);
        }
        for (name, member) in shape.members.iter() {
            let path = format!("{above}.{name}");
            // A shape may hold itself; no rule is as deep as that.
            if path.split('.').count() > 8 {
                return;
            }
            let own = self
                .rules
                .iter()
                .any(|rule| rule.fit(place.operation, &path).is_some() && rule.parameters.contains(&path));
            if let Some(said) = own.then(|| self.rule(place.operation, &path)).flatten() {
                out.push(said.of(&path));
            }
            self.exceptions(out, place, &member.shape, &path);
        }
    }

    fn rule(&mut self, operation: &str, path: &str) -> Option<Said> {
        let fits = self
            .rules
            .iter()
            .enumerate()
            .filter_map(|(at, rule)| Some((rule.fit(operation, path)?, at, rule)));
        let (_, at, rule) = fits.max_by_key(|(fit, at, _)| (*fit, *at))?;
        if rule.operations.iter().any(|name| name == operation) {
            self.used.insert((at, Some(operation.to_owned()), None));
        }
        if rule.parameters.iter().any(|named| named == path) {
            self.used.insert((at, None, Some(path.to_owned())));
        }
        Some(Said { status: rule.status, why: rule.why.clone(), everywhere: rule.operations.is_empty() })
    }

    /// What a rule says to be refused must be spoken of in a text of the service.
    fn refusals(&mut self, sources: &str) {
        for rule in self.rules.iter().filter(|rule| matches!(rule.status, Status::Refused | Status::Partly)) {
            for path in &rule.parameters {
                let name = path.rsplit('.').next().unwrap_or(path);
                let words = rule.words.as_deref().unwrap_or(name);
                let said = |line: &str| line.find('"').is_some_and(|quote| line[quote..].contains(words));
                if !sources.lines().any(said) {
                    self.unsaid
                        .push(format!("a rule says that {path} is refused, but no refusal says \"{words}\""));
                }
            }
        }
    }

    /// Fails if something is not said, or a rule says something of nothing.
    fn finish(mut self) -> Result<()> {
        for (at, rule) in self.rules.iter().enumerate() {
            for operation in &rule.operations {
                if !self.used.contains(&(at, Some(operation.clone()), None)) {
                    self.unsaid.push(format!(
                        "a rule names {operation}, where it fits nothing: {:?}",
                        rule.parameters
                    ));
                }
            }
            for path in &rule.parameters {
                if !self.used.contains(&(at, None, Some(path.clone()))) {
                    self.unsaid.push(format!("a rule names {path}, which no supported operation has"));
                }
            }
        }
        if !self.unsaid.is_empty() {
            bail!("say in models/compatibility.toml what becomes of it:\n  {}", self.unsaid.join("\n  "));
        }
        Ok(())
    }
}

/// Whether `word` stands in the text as a whole word.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{
        "metadata": {"apiVersion": "1", "protocol": "json"},
        "operations": {"Put": {"name": "Put", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "In"}}},
        "shapes": {
            "In": {"type": "structure", "members": {"Name": {"shape": "S"}, "Code": {"shape": "Code"}, "Tags": {"shape": "L"}}},
            "Code": {"type": "structure", "members": {"Zip": {"shape": "S"}, "Bucket": {"shape": "S"}}},
            "L": {"type": "list", "member": {"shape": "Tag"}},
            "Tag": {"type": "structure", "members": {"Key": {"shape": "S"}}},
            "S": {"type": "string"}
        }
    }"#;

    /// Each parameter with its status, or what is wrong.
    fn judged(source: &str, rules: &str) -> Result<Vec<(String, Status)>> {
        let model: Model = serde_json::from_str(MODEL)?;
        let rules: std::collections::BTreeMap<String, Vec<Rule>> = toml::from_str(rules)?;
        let rules = rules.get("service").map_or(&[][..], Vec::as_slice);
        let mut judge = Judge { model: &model, rules, used: BTreeSet::new(), unsaid: Vec::new() };
        let mut out = Vec::new();
        judge.structure(&mut out, &Place { operation: "Put", file: "put.rs", source }, "In", "");
        judge.finish()?;
        Ok(out.into_iter().map(|of| (of.path, of.status)).collect())
    }

    fn rule(parameters: &str, status: &str) -> String {
        format!(
            "[[service]]\noperations = ['Put']\nparameters = [{parameters}]\nstatus = '{status}'\nwhy = 'because'\n"
        )
    }

    #[test]
    fn what_the_file_reads_is_supported_and_what_it_does_not_read_must_be_spoken_of() {
        let reads = "input.name, input.code.zip, input.code.bucket, tags.iter().map(|tag| tag.key)";
        let all =
            ["Name", "Code.Zip", "Code.Bucket", "Tags.Key"].map(|path| (path.to_owned(), Status::Supported));
        assert_eq!(judged(reads, "").unwrap(), all);
        let error = judged("input.name, input.code.zip, tags", "").unwrap_err().to_string();
        for unread in ["Code.Bucket of Put", "Tags.Key of Put"] {
            assert!(error.contains(unread), "{error}");
        }
        assert!(!error.contains("Zip"), "{error}");
    }

    #[test]
    fn a_rule_is_for_all_below_it_but_for_what_has_its_own() {
        let rules = rule("'Code', 'Tags'", "refused") + &rule("'Code.Bucket'", "without-effect");
        let found = judged("input.name", &rules).unwrap();
        let expected = [
            ("Name", Status::Supported),
            ("Code", Status::Refused),
            ("Code.Bucket", Status::WithoutEffect),
            ("Tags", Status::Refused),
        ];
        assert_eq!(found, expected.map(|(path, status)| (path.to_owned(), status)));
    }

    #[test]
    fn a_rule_that_fits_nothing_is_found() {
        let rules = rule("'Name', 'Gone'", "refused");
        let error = judged("code, zip, bucket, tags, key", &rules).unwrap_err().to_string();
        assert!(error.contains("a rule names Gone"), "{error}");
        let rules = rule("'Name'", "refused").replace("'Put'", "'Put', 'Get'");
        let error = judged("code, zip, bucket, tags, key", &rules).unwrap_err().to_string();
        assert!(error.contains("a rule names Get"), "{error}");
    }

    #[test]
    fn a_rule_does_not_outlive_its_refusal() {
        let of = |words: Option<&str>| Rule {
            operations: Vec::new(),
            parameters: vec!["Code.Bucket".into()],
            status: Status::Refused,
            words: words.map(str::to_owned),
            why: "because".into(),
        };
        let unsaid = |rule: Rule, sources: &str| {
            let model: Model = serde_json::from_str(MODEL).unwrap();
            let rules = [rule];
            let mut judge = Judge { model: &model, rules: &rules, used: BTreeSet::new(), unsaid: Vec::new() };
            judge.refusals(sources);
            judge.unsaid.len()
        };
        let refusal = r#"(asked, "Bucket is not supported")"#;
        assert_eq!((unsaid(of(None), refusal), unsaid(of(None), "input.Bucket")), (0, 1));
        assert_eq!((unsaid(of(Some("not supported")), refusal), unsaid(of(Some("S3")), refusal)), (0, 1));
    }

    #[test]
    fn a_word_is_whole() {
        assert!(has_word("input.stream_name.as_deref()", "stream_name"));
        assert!(!has_word("input.stream_names, my_stream_name", "stream_name"));
        assert!(has_word("stream_names stream_name", "stream_name"));
    }
}
