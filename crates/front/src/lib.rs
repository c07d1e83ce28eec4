//! The front: one port, HTTP/1.1 and HTTP/2, every service. HTTP comes in, bytes go out.
//!
//! A request's way is one list in `pipeline.rs`: limits, route, body, service, answer, headers. The services know nothing
//! of it, and it knows nothing of streams or functions.
//!
//! Invariant: an error is logged here, once, with the cause that the client does not see.

mod access;
mod body;
mod caller;
mod fault_steps;
mod faults;
mod function_urls;
mod line;
mod logs_steps;
mod metrics;
mod operator;
mod pipeline;
mod route;
mod serve;
mod tls;

pub mod caps;

pub use access::Peer;
pub use faults::{Fault, Faults};
pub use metrics::{Gauge, Metrics, ReadGauge};
pub use operator::Health;
pub use pipeline::Front;
pub use serve::{Listener, Options, serve};
pub use tls::{Tls, TlsError};
