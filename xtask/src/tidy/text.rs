//! What may not be in any file, and how long a file may be.

use std::path::Path;
use std::process::Command;

use super::Finding;
use crate::os;

/// A file longer than this has more than one idea in it. Generated files are exempt.
const MAX_LINES: usize = 700;

/// Kinds of file that people write by hand, by extension.
const SOURCES: [&str; 14] =
    ["rs", "py", "js", "mjs", "ts", "go", "java", "html", "css", "sh", "toml", "md", "yml", "yaml"];

/// Words that mark unfinished work or a silenced lint. Joined here so that this file does not contain them.
const FORBIDDEN: [(&str, &str); 6] = [
    (concat!("TO", "DO"), "unfinished work; do it or open an issue"),
    (concat!("FIX", "ME"), "unfinished work; do it or open an issue"),
    (concat!("to", "do!("), "unfinished work; do it or leave it out"),
    (concat!("unimpl", "emented!("), "unfinished work; do it or leave it out"),
    (concat!("#[al", "low("), "use #[expect(lint, reason = \"…\")]"),
    (concat!("#![al", "low("), "use #![expect(lint, reason = \"…\")]"),
];

/// Package registries. The repository says what it needs; where to get it from is the machine's own setting.
const REGISTRIES: [&str; 7] = [
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("crates", ".io"),
    concat!("proxy.go", "lang.org"),
    concat!("repo1.mav", "en.org"),
];

/// Every file that git knows or would add.
pub(crate) fn check() -> anyhow::Result<Vec<Finding>> {
    let root = os::root();
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(&root);
    let mut findings = Vec::new();
    for name in os::output(&mut list)?.split_terminator('\0') {
        let path = root.join(name);
        // A file that was removed and not yet committed is still listed; a picture is not text.
        if path.is_file() && is_text(name) {
            findings.extend(judge(name, &os::read_lossy(&path)?));
        }
    }
    Ok(findings)
}

fn is_text(name: &str) -> bool {
    const BINARY: [&str; 8] = ["png", "jpg", "gif", "ico", "webp", "woff2", "gz", "zip"];
    let extension = extension(name);
    !BINARY.contains(&extension.as_str())
}

fn extension(name: &str) -> String {
    Path::new(name)
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

fn judge(name: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let source = SOURCES.contains(&extension(name).as_str());
    let generated = name.split('/').any(|part| part == "generated");
    let lines = text.lines().count();
    if source && !generated && lines > MAX_LINES {
        let what = format!("has {lines} lines, more than {MAX_LINES}; split it by idea");
        findings.push(Finding { place: name.to_owned(), what });
    }
    // Cargo writes the address of its index into the lock file whatever one does.
    let lock_file = name.ends_with("Cargo.lock");
    for (number, line) in (1..).zip(text.lines()) {
        let mut found = |what: &str| {
            findings.push(Finding { place: format!("{name}:{number}"), what: what.to_owned() });
        };
        if source && !generated {
            FORBIDDEN.iter().filter(|(word, _)| line.contains(word)).for_each(|(_, what)| found(what));
        }
        if !lock_file && REGISTRIES.iter().any(|host| line.contains(host)) {
            found("names a package registry; leave the host to the machine's own settings");
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(name: &str, text: &str) -> Vec<String> {
        judge(name, text).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn each_forbidden_word_is_found_on_its_line() {
        for (word, _) in FORBIDDEN {
            assert_eq!(places("a/b.rs", &format!("fine\n// {word} x")), ["a/b.rs:2"], "{word}");
        }
    }

    #[test]
    fn each_registry_is_found_everywhere_but_in_the_cargo_lock() {
        for host in REGISTRIES {
            assert_eq!(places("package-lock.json", &format!("https://{host}/x")), ["package-lock.json:1"]);
            assert_eq!(places("Cargo.lock", host), Vec::<String>::new());
        }
    }

    #[test]
    fn length_is_for_hand_written_sources() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(places("a.rs", &long), ["a.rs"]);
        assert_eq!(places("a.rs", &"x\n".repeat(MAX_LINES)), Vec::<String>::new());
        assert_eq!(places("src/generated/a.rs", &long), Vec::<String>::new());
        assert_eq!(places("data.json", &long), Vec::<String>::new());
    }
}
