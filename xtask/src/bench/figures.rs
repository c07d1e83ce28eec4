//! Numbers out of raw results, and how they are shown.

use serde_json::Value;

/// The number at a path of names; not a number if there is none.
pub(crate) fn number(value: &Value, path: &[&str]) -> f64 {
    path.iter().fold(value, |value, name| &value[*name]).as_f64().unwrap_or(f64::NAN)
}

/// The middle one of the numbers at a path; of an even count the mean of the two in the middle.
pub(crate) fn median(values: &[Value], path: &[&str]) -> f64 {
    middle(values.iter().map(|value| number(value, path)).collect())
}

pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        odd if odd.len() % 2 == 1 => odd[half],
        even => f64::midpoint(even[half - 1], even[half]),
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "a measurement is a float in the end")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Three significant digits; a dash for what was not measured.
pub(crate) fn shown(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    match value.abs() {
        small if small < 0.0005 => "0".to_owned(),
        small if small < 1.0 => format!("{value:.3}"),
        small if small < 10.0 => format!("{value:.2}"),
        small if small < 100.0 => format!("{value:.1}"),
        _ => thousands(value),
    }
}

/// A whole number.
pub(crate) fn count(value: f64) -> String {
    if value.is_finite() { thousands(value) } else { "–".to_owned() }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0.0 { format!("-{out}") } else { out }
}

/// A share in per cent.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.0} %", share * 100.0) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_middle_of_what_was_measured() {
        assert_eq!(shown(middle(vec![3.0, 1.0, 2.0])), "2.00");
        assert_eq!(shown(middle(vec![4.0, 1.0, f64::NAN])), "2.50");
        assert!(middle(Vec::new()).is_nan());
        let values = [json!({ "a": { "b": 1 } }), json!({ "a": { "b": 3 } }), json!({})];
        assert_eq!(shown(median(&values, &["a", "b"])), "2.00");
    }

    #[test]
    fn three_digits_and_thousands() {
        let all: Vec<String> = [0.0001, 0.5, 9.876, 98.76, 987.6, 1_234_567.0, f64::NAN].map(shown).to_vec();
        assert_eq!(all, ["0", "0.500", "9.88", "98.8", "988", "1,234,567", "–"]);
        assert_eq!(percent(0.806), "81 %");
    }
}
