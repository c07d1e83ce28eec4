//! Every limit of the application, in one place.

use std::time::Duration;

/// Sign-ups per second that the generator may be asked for.
pub const MAX_RATE: f64 = 5_000.0;
/// Shards that a stream may be created with.
pub const MAX_SHARDS: u32 = 200;
/// Entries of one PutRecords call (the service's own limit).
pub const MAX_PUT_RECORDS: usize = 500;
/// Calls of PutRecords under way at once.
pub const MAX_PUTS_IN_FLIGHT: usize = 8;
/// Attempts to put the entries of one call before they count as not put.
pub const MAX_PUT_ATTEMPTS: u32 = 8;
/// Sign-ups that wait for their offer; the generator pauses while there are as many.
pub const MAX_OUTSTANDING: usize = 200_000;
/// Sign-ups whose put failed, remembered in case an offer shows that they were put after all.
pub const MAX_UNACKNOWLEDGED: usize = 10_000;
/// Sign-ups that are kept for the page's list.
pub const MAX_LIST: usize = 80;
/// Generated sign-ups that may enter the page's list in one tick; those of the form always do.
pub const MAX_LIST_PER_TICK: usize = 3;
/// Pulses on the map in one tick.
pub const MAX_POINTS_PER_TICK: usize = 60;
/// Points of the plots that a newly opened page gets.
pub const MAX_PLOT_POINTS: usize = 240;
/// Pages that may be connected at once.
pub const MAX_PAGES: usize = 32;
/// Events that a slow page may fall behind before it starts afresh.
pub const MAX_PAGE_LAG: usize = 16;
/// Sign-ups from the form that may be on their way at once.
pub const MAX_FORM_PUTS: usize = 16;
/// Bytes of a request to the page's API.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024;
/// Characters of the name, the e-mail address, the city and the country of a sign-up.
pub const MAX_TEXT: usize = 100;
/// Shards of the offers stream that are followed at once.
pub const MAX_FOLLOWED_SHARDS: usize = 1_000;

/// Interval of the page's events.
pub const TICK: Duration = Duration::from_millis(500);
/// How long a step of the set-up may take until it counts as failed.
pub const MAX_STEP: Duration = Duration::from_mins(3);
/// A subscription that is silent for longer is opened again; the service sends an event every 5 s.
pub const MAX_SILENCE: Duration = Duration::from_secs(20);
