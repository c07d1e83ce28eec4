use crate::config::Storage;
use millstream_engine::Engine;
use millstream_front::Health;
use millstream_functions::Functions;

/// What `/_millstream/health` tells.
#[derive(Debug)]
pub(crate) struct ServerHealth {
    pub(crate) engine: Engine,
    pub(crate) functions: Functions,
    pub(crate) storage: Storage,
}

impl Health for ServerHealth {
    fn trouble(&self) -> Option<String> {
        if let Some(why) = self.engine.stopped() {
            return Some(format!(
                "the log has stopped taking writes ({why}); reads go on. Mend the disk, then start the server again"
            ));
        }
        let closed = self.engine.control().is_closed();
        closed.then(|| {
            "the control plane takes no more changes; see the log, then start the server again".to_owned()
        })
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let functions = match self.functions.isolation() {
            Ok(_) => "ok".to_owned(),
            Err(unavailable) => unavailable.to_string(),
        };
        let storage = match &self.storage {
            Storage::Memory => "memory".to_owned(),
            Storage::Directory(directory) => directory.display().to_string(),
        };
        vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("storage", storage),
            ("functions", functions),
            ("isolation", self.functions.protection().to_string()),
        ]
    }
}
