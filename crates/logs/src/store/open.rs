//! What a directory holds, at the start.

use super::group::{Group, META, Meta, Segment, segment_path};
use super::segment::summary;
use super::state::State;
use millstream_host::fs;
use millstream_types::Timestamp;
use std::io;
use std::path::Path;

/// Read what groups and segments there are.
pub(super) fn state(directory: &Path, now: Timestamp) -> io::Result<State> {
    // Numbers go on from the time, so that none comes again even where all events are gone.
    let mut state = State { number: now.millis() << 20, ..State::default() };
    for name in fs::list(directory)? {
        let path = directory.join(&name);
        if !name.starts_with("group-") {
            continue;
        }
        let Some(meta) = meta(&path)? else { continue };
        let mut group = Group::new(meta, path.clone());
        group.restore(segments(&path)?);
        let newest = group.segments.iter().map(|segment| segment.summary.number).max();
        state.number = state.number.max(newest.unwrap_or_default());
        state.groups.insert(group.meta.key.clone(), group);
    }
    Ok(state)
}

/// What group a directory is. `None` where it is to be left alone.
fn meta(directory: &Path) -> io::Result<Option<Meta>> {
    let path = directory.join(META);
    if fs::stamp(&path)?.is_none() {
        // Its making or its removal was cut short.
        fs::remove_dir_all(directory)?;
        return Ok(None);
    }
    let shown = directory.display();
    match serde_json::from_slice::<Meta>(&fs::read(&path)?) {
        Ok(meta) if meta.is_known() => Ok(Some(meta)),
        Ok(meta) => {
            tracing::error!(version = meta.version, directory = %shown, "a log group of another version is left out");
            Ok(None)
        }
        Err(error) => {
            tracing::error!(%error, directory = %shown, "a log group that cannot be read is left out");
            Ok(None)
        }
    }
}

fn segments(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut numbers: Vec<u64> = fs::list(directory)?
        .iter()
        .filter_map(|name| name.strip_suffix(".log").and_then(|number| number.parse().ok()))
        .collect();
    numbers.sort_unstable();
    let newest = numbers.last().copied();
    let mut segments = Vec::new();
    for number in numbers {
        let path = segment_path(directory, number);
        let Some(summary) = summary(&path)? else {
            tracing::warn!(path = %path.display(), "functions' logs of another format are left alone");
            continue;
        };
        let closed = fs::stamp(&path.with_extension("json"))?.is_some();
        if !closed {
            // What was being written when the server ended is cut off; what is whole stays.
            let size = fs::stamp(&path)?.map_or(0, |stamp| stamp.bytes);
            if size > summary.bytes {
                fs::open_for_writing(&path)?.set_len(summary.bytes)?;
            }
        }
        segments.push(Segment { number, summary, open: !closed && Some(number) == newest });
    }
    Ok(segments)
}
