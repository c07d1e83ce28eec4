//! The page and its small API. Everything the page needs comes from here; nothing comes from elsewhere.

mod guard;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::caps::{MAX_FORM_PUTS, MAX_PAGE_LAG, MAX_PAGES, MAX_RATE, MAX_REQUEST_BYTES, TICK};
use crate::clients::Clients;
use crate::generator::Numbering;
use crate::places::Places;
use crate::put;
use crate::sign_up::{Origin, Place, User};
use crate::tracker::{Tick, Tracker};

const INDEX: &str = include_str!("../web/index.html");
const STYLES: &[(&str, &str)] = &[
    ("/style.css", include_str!("../web/style.css")),
    ("/hero.css", include_str!("../web/hero.css")),
    ("/live.css", include_str!("../web/live.css")),
];
const SCRIPTS: &[(&str, &str)] = &[
    ("/app.js", include_str!("../web/app.js")),
    ("/form.js", include_str!("../web/form.js")),
    ("/list.js", include_str!("../web/list.js")),
    ("/map.js", include_str!("../web/map.js")),
    ("/plots.js", include_str!("../web/plots.js")),
    ("/world.js", include_str!("../web/world.js")),
];

/// What the page works on.
pub(crate) struct Parts {
    pub(crate) clients: Arc<Clients>,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) numbering: Arc<Numbering>,
    pub(crate) rate: watch::Sender<f64>,
    pub(crate) address: SocketAddr,
    pub(crate) endpoint: String,
    pub(crate) stop: CancellationToken,
}

struct Shared {
    parts: Parts,
    places: String,
    ticks: broadcast::Sender<Arc<str>>,
    pages: Arc<Semaphore>,
    form_puts: Semaphore,
}

type Page = State<Arc<Shared>>;

/// Serves until the token of the parts is cancelled.
pub(crate) async fn serve(listener: TcpListener, parts: Parts) -> std::io::Result<()> {
    let stop = parts.stop.clone();
    let shared = Arc::new(Shared {
        places: Places::load().to_json(),
        ticks: broadcast::channel(MAX_PAGE_LAG).0,
        pages: Arc::new(Semaphore::new(MAX_PAGES)),
        form_puts: Semaphore::new(MAX_FORM_PUTS),
        parts,
    });
    let ticker = tokio::spawn(tick(shared.clone()));
    let outcome = axum::serve(listener, router(shared)).with_graceful_shutdown(stop.cancelled_owned()).await;
    ticker.abort();
    outcome
}

fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new()
        .route("/", get(|| asset("text/html; charset=utf-8", INDEX)))
        .route("/favicon.ico", get(|| ready(StatusCode::NO_CONTENT)))
        .route("/api/places", get(places))
        .route("/api/events", get(events))
        .route("/api/state", get(state))
        .route("/api/signups", post(sign_up))
        .route("/api/rate", post(set_rate));
    for (path, text) in STYLES {
        router = router.route(path, get(move || asset("text/css; charset=utf-8", text)));
    }
    for (path, text) in SCRIPTS {
        router = router.route(path, get(move || asset("text/javascript; charset=utf-8", text)));
    }
    let address = shared.parts.address;
    router
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn(move |request, next| guard::guard(address, request, next)))
        .with_state(shared)
}

fn asset(content_type: &'static str, text: &'static str) -> Ready<impl IntoResponse> {
    ready(([(header::CONTENT_TYPE, content_type)], text))
}

async fn places(State(shared): Page) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], shared.places.clone())
}

/// An event of the page. `hello` comes first and after a gap, with all that there is to show.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message<'a> {
    Hello {
        endpoint: &'a str,
        max_rate: f64,
        rate: f64,
        tick_ms: u128,
        samples: Vec<crate::history::Sample>,
        items: Vec<crate::feed::Item>,
    },
    Tick {
        rate: f64,
        #[serde(flatten)]
        tick: &'a Tick,
    },
}

impl Shared {
    fn hello(&self) -> String {
        let (samples, items) = self.parts.tracker.so_far();
        let rate = *self.parts.rate.borrow();
        let endpoint = &self.parts.endpoint;
        encode(&Message::Hello {
            endpoint,
            max_rate: MAX_RATE,
            rate,
            tick_ms: TICK.as_millis(),
            samples,
            items,
        })
    }
}

fn encode(message: &Message<'_>) -> String {
    serde_json::to_string(message).expect("text and finite numbers serialise")
}

/// The beat of every page.
async fn tick(shared: Arc<Shared>) {
    let mut beat = tokio::time::interval(TICK);
    loop {
        beat.tick().await;
        let tick = shared.parts.tracker.tick(Instant::now());
        let text = encode(&Message::Tick { rate: *shared.parts.rate.borrow(), tick: &tick });
        // No page is open: nobody needs to know.
        drop(shared.ticks.send(text.into()));
    }
}

/// What the events start from, and how they go on.
struct Subscription {
    shared: Arc<Shared>,
    ticks: broadcast::Receiver<Arc<str>>,
    greeted: bool,
    _page: OwnedSemaphorePermit,
}

async fn events(State(shared): Page) -> Response {
    let Ok(page) = shared.pages.clone().try_acquire_owned() else {
        let message = format!("{MAX_PAGES} pages are open already: close one of them.");
        return problem(StatusCode::SERVICE_UNAVAILABLE, "", &message);
    };
    let stop = shared.parts.stop.clone();
    let ticks = shared.ticks.subscribe();
    let subscription = Subscription { shared, ticks, greeted: false, _page: page };
    let events = event_stream(subscription).take_until(stop.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn event_stream(subscription: Subscription) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(subscription, |mut subscription| async move {
        let text = if subscription.greeted {
            match subscription.ticks.recv().await {
                Ok(text) => Event::default().data(text),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    Event::default().data(subscription.shared.hello())
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        } else {
            subscription.greeted = true;
            Event::default().data(subscription.shared.hello())
        };
        Some((Ok(text), subscription))
    })
}

/// The counts once, for scripts and tests.
async fn state(State(shared): Page) -> impl IntoResponse {
    Json(shared.parts.tracker.counts())
}

/// An error as the page reads it. `field` is that of the form, or empty.
fn problem(status: StatusCode, field: &str, message: &str) -> Response {
    (status, Json(serde_json::json!({"field": field, "message": message}))).into_response()
}

async fn sign_up(State(shared): Page, body: Result<Json<User>, JsonRejection>) -> Response {
    let user = match body.map(|Json(user)| user.checked()) {
        Ok(Ok(user)) => user,
        Ok(Err(mistake)) => {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, mistake.field, &mistake.message);
        }
        Err(rejection) => return problem(rejection.status(), "", &rejection.body_text()),
    };
    let Ok(_turn) = shared.form_puts.try_acquire() else {
        return problem(StatusCode::TOO_MANY_REQUESTS, "", "Too many sign-ups at once. Please try again.");
    };
    let shown_at = match user.place {
        Place::Point { latitude, longitude } => Some((latitude, longitude)),
        Place::City { .. } => None,
    };
    let sign_up = shared.parts.numbering.sign_up(user, Origin::Form, shown_at);
    let id = sign_up.id.clone();
    match put::put_one(&shared.parts.clients, &shared.parts.tracker, sign_up).await {
        Ok(()) => (StatusCode::CREATED, Json(serde_json::json!({"id": id}))).into_response(),
        Err(error) => problem(StatusCode::BAD_GATEWAY, "", &format!("The sign-up was not taken. {error}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRate {
    rate: f64,
}

async fn set_rate(State(shared): Page, body: Result<Json<NewRate>, JsonRejection>) -> Response {
    match body {
        Ok(Json(NewRate { rate })) if (0.0..=MAX_RATE).contains(&rate) => {
            shared.parts.rate.send_replace(rate);
            Json(serde_json::json!({"rate": rate})).into_response()
        }
        Ok(_) => {
            let message = format!("The rate is a number from 0 to {MAX_RATE} per second.");
            problem(StatusCode::UNPROCESSABLE_ENTITY, "rate", &message)
        }
        Err(rejection) => problem(rejection.status(), "rate", &rejection.body_text()),
    }
}

#[cfg(test)]
mod tests;
