//! Links to code: good for ten minutes, as AWS's are, for whoever has them.

use crate::service::{CODE_PATH, Lambda};
use millstream_host::entropy;
use millstream_types::Timestamp;
use millstream_wire::sigv4;
use std::sync::Arc;

/// How long a link is good for, in seconds.
const GOOD_FOR: u64 = 600;

/// What links are signed with: a secret of this process.
#[derive(Clone)]
pub(crate) struct LinkKey(Arc<[u8; 32]>);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

impl LinkKey {
    fn new() -> Self {
        let mut bytes = [0; 32];
        entropy::fill(&mut bytes);
        Self(Arc::new(bytes))
    }

    fn text(code: &str, expires: u64) -> String {
        format!("code {code} until {expires}")
    }
}

impl Lambda {
    /// Links to code that carry a signature, for a server whose callers are known.
    #[must_use]
    pub fn with_signed_links(self) -> Self {
        self.with_links(LinkKey::new())
    }

    pub(crate) fn code_url(&self, code: &str) -> String {
        let url = format!("{}{CODE_PATH}{code}", self.endpoint().trim_end_matches('/'));
        let Some(key) = &self.links else { return url };
        let expires = self.engine().now().secs() + GOOD_FOR;
        let signature = sigv4::mac_hex(&*key.0, LinkKey::text(code, expires).as_bytes());
        format!("{url}?expires={expires}&signature={signature}")
    }

    /// Whether a link that [`Lambda::with_signed_links`] signed is good now: its code, and its query as it came.
    pub fn link_is_good(&self, code: &str, query: &str, now: Timestamp) -> bool {
        let parts = query.strip_prefix("expires=").and_then(|rest| rest.split_once("&signature="));
        let (Some((expires, signature)), Some(key)) = (parts, &self.links) else { return false };
        let Ok(expires) = expires.parse::<u64>() else { return false };
        let text = LinkKey::text(code, expires);
        now.secs() <= expires && sigv4::is_mac_hex(&*key.0, text.as_bytes(), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_one_thing() {
        let key = LinkKey::new();
        let sign = |code, expires| sigv4::mac_hex(&*key.0, LinkKey::text(code, expires).as_bytes());
        let good = sign("abc", 700);
        let is = |code, expires, signature: &str| {
            sigv4::is_mac_hex(&*key.0, LinkKey::text(code, expires).as_bytes(), signature)
        };
        assert!(is("abc", 700, &good));
        assert!(
            !is("abd", 700, &good) && !is("abc", 701, &good) && !is("abc", 700, "") && !is("abc", 700, "zz")
        );
        assert_ne!(sigv4::mac_hex(&*LinkKey::new().0, b"x"), sigv4::mac_hex(&*key.0, b"x"));
    }
}
