use std::fmt;

/// Where in an input we are, written as AWS writes it: `records.2.member.partitionKey`.
#[derive(Clone, Debug, Default)]
pub struct Path(Vec<Segment>);

#[derive(Clone, Debug)]
enum Segment {
    Member(&'static str),
    /// Counted from 1.
    Item(usize),
    Entry(String),
}

impl Path {
    pub fn push_member(&mut self, model_name: &'static str) {
        self.0.push(Segment::Member(model_name));
    }

    /// `index` counts from 0; AWS shows it from 1.
    pub fn push_item(&mut self, index: usize) {
        self.0.push(Segment::Item(index.saturating_add(1)));
    }

    pub fn push_entry(&mut self, key: &str) {
        self.0.push(Segment::Entry(key.to_owned()));
    }

    pub fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            match segment {
                Segment::Member(name) => write_lower_first(f, name)?,
                Segment::Item(number) => write!(f, "{number}.member")?,
                Segment::Entry(key) => write!(f, "{key}.member")?,
            }
        }
        Ok(())
    }
}

/// AWS lowers the first letter only: `StreamARN` is shown as `streamARN`, `UUID` as `uUID`.
fn write_lower_first(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let mut chars = name.chars();
    if let Some(first) = chars.next() {
        write!(f, "{}", first.to_ascii_lowercase())?;
    }
    f.write_str(chars.as_str())
}
