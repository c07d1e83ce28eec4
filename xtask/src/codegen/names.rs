//! Names of the model as Rust names.

/// `StreamARN` → `stream_arn`, `KMSKeyArn` → `kms_key_arn`, `S3Bucket` → `s3_bucket`. No keyword escape.
pub(super) fn snake(name: &str) -> String {
    words(name).join("_").to_lowercase()
}

/// A field name: snake case, with keywords escaped.
pub(super) fn field(name: &str) -> String {
    let snake = snake(name);
    if KEYWORDS.contains(&snake.as_str()) { format!("r#{snake}") } else { snake }
}

/// A name for a constant.
pub(super) fn screaming(name: &str) -> String {
    snake(name).to_uppercase()
}

/// A value of an enumeration as a variant: `TRIM_HORIZON` → `TrimHorizon`, `python3.12` → `Python3_12`.
pub(super) fn variant(value: &str) -> String {
    let mut out = String::new();
    for piece in value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|piece| !piece.is_empty()) {
        let digits =
            out.ends_with(|c: char| c.is_ascii_digit()) && piece.starts_with(|c: char| c.is_ascii_digit());
        if digits {
            out.push('_');
        }
        let shouting = !piece.contains(|c: char| c.is_ascii_lowercase());
        let rest = piece.get(1..).unwrap_or_default();
        out.extend(piece.chars().next().map(|first| first.to_ascii_uppercase()));
        out.push_str(&if shouting { rest.to_ascii_lowercase() } else { rest.to_owned() });
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) { format!("V{out}") } else { out }
}

/// A shape or error name as a Rust type: `KMSOptInRequired` stays, `Foo_Bar` loses its underscore.
pub(super) fn type_name(name: &str) -> String {
    let mut out: String = name.split('_').map(capitalise).collect();
    if out == "Self" {
        out.push('_');
    }
    out
}

fn capitalise(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

const KEYWORDS: [&str; 8] = ["type", "match", "move", "ref", "where", "loop", "use", "enum"];

fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (index, &c) in chars.iter().enumerate() {
        if c == '_' || c == '-' {
            words.push(String::new());
            continue;
        }
        let before = index.checked_sub(1).and_then(|i| chars.get(i)).copied().unwrap_or('_');
        let after = chars.get(index + 1).copied().unwrap_or('_');
        // The plural of an acronym stays whole: `ARNs`, `IDs`.
        let plural = after == 's' && chars.get(index + 2).is_none_or(char::is_ascii_uppercase);
        let starts = c.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || (before.is_ascii_uppercase() && after.is_ascii_lowercase() && !plural));
        if starts || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_fields_own() {
        for (model, rust) in [
            ("StreamARN", "stream_arn"),
            ("KMSKeyArn", "kms_key_arn"),
            ("S3Bucket", "s3_bucket"),
            ("MillisBehindLatest", "millis_behind_latest"),
            ("CodeSha256", "code_sha256"),
            ("UUID", "uuid"),
            ("tagKeys", "tag_keys"),
        ] {
            assert_eq!(field(model), rust);
        }
        assert_eq!(field("Type"), "r#type");
        assert_eq!(variant("TRIM_HORIZON"), "TrimHorizon");
        assert_eq!(variant("python3.12"), "Python3_12");
        assert_eq!(variant("provided.al2023"), "ProvidedAl2023");
        assert_eq!(variant("RequestResponse"), "RequestResponse");
    }
}
