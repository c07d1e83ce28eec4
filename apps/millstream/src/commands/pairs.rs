//! `KEY=VALUE`, as tags and variables of a function are given.

use std::collections::HashMap;

/// One pair; the value may have further `=` in it, and may be empty.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is no pair: write KEY=VALUE")),
    }
}

/// All pairs, or nothing if there are none.
pub(super) fn some(pairs: &[(String, String)]) -> Option<HashMap<String, String>> {
    (!pairs.is_empty()).then(|| pairs.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn a_pair_is_cut_at_its_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        for bad in ["", "a", "=b"] {
            assert!(pair(bad).unwrap_err().contains("KEY=VALUE"), "{bad}");
        }
    }
}
