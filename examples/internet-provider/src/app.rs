//! Puts the parts together: the generator, the reader and either the page or a progress bar.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::caps::{MAX_PUT_RECORDS, MAX_PUTS_IN_FLIGHT};
use crate::clients::Clients;
use crate::config::Config;
use crate::error::Error;
use crate::generator::{Generator, Numbering};
use crate::id::Run;
use crate::reader::Reading;
use crate::report::Report;
use crate::setup::Deployed;
use crate::sign_up::Origin;
use crate::tracker::{Source, Tracker};
use crate::{clock, put, web};

/// How often the generator puts what is due.
const BEAT: Duration = Duration::from_millis(20);
/// The generator makes up for at most this much of what it could not put in time.
const LONGEST_DEBT_S: f64 = 0.25;
/// How long the first sign-up waits for the subscriptions to the offers.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(15);
/// The clocks of this machine and of the service may differ by this much.
const CLOCK_SKEW: Duration = Duration::from_mins(1);
/// How often the end of a run looks for the last offers.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// The running application without its face.
struct App {
    clients: Arc<Clients>,
    tracker: Arc<Tracker>,
    numbering: Arc<Numbering>,
    rate: watch::Sender<f64>,
    reading: Reading,
    stop_generator: CancellationToken,
    generator: JoinHandle<()>,
}

impl App {
    async fn start(config: &Config, deployed: &Deployed, history: Duration) -> Result<Self, Error> {
        config.validate()?;
        let clients = Arc::new(Clients::new(config).await);
        let run = Run::new(clock::entropy());
        let tracker = Arc::new(Tracker::new(run, Instant::now()));
        let numbering = Arc::new(Numbering::new(run));
        let back = u64::try_from(history.max(CLOCK_SKEW).as_millis()).unwrap_or(u64::MAX);
        let mut reading = Reading::start(
            clients.clone(),
            tracker.clone(),
            &deployed.offers_arn,
            &deployed.consumer_arn,
            clock::now_ms().saturating_sub(back),
        )
        .await?;
        let (rate, receiver) = watch::channel(config.rate);
        let stop_generator = CancellationToken::new();
        let seed = config.seed.unwrap_or_else(clock::entropy);
        let generator = Pace {
            clients: clients.clone(),
            tracker: tracker.clone(),
            numbering: numbering.clone(),
            rate: receiver,
            stop: stop_generator.clone(),
        };
        if !reading.until_subscribed(SUBSCRIBE_LIMIT).await {
            let trouble = "not every shard of the offers could be subscribed to yet".to_owned();
            tracker.trouble(Source::Read, Some(trouble));
        }
        let generator = tokio::spawn(generator.run(Generator::new(seed)));
        Ok(Self { clients, tracker, numbering, rate, reading, stop_generator, generator })
    }

    /// Stops to put, and waits until all that is under way was acknowledged or given up.
    async fn stop_putting(&mut self) {
        self.stop_generator.cancel();
        if let Err(error) = (&mut self.generator).await {
            self.tracker.trouble(Source::Generator, Some(format!("the generator failed: {error}")));
        }
    }

    /// Waits for missing offers, not for longer than `limit`; calls `look` in between.
    async fn drain(&self, limit: Duration, look: impl Fn()) {
        let end = Instant::now() + limit;
        while self.tracker.outstanding() > 0 && Instant::now() < end {
            look();
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }

    async fn finish(self) -> Report {
        self.reading.stop().await;
        self.tracker.report()
    }
}

/// Generates sign-ups for `duration` or until `shutdown`, waits for the missing offers and reports. Draws a progress
/// bar on the standard error if that is a terminal.
///
/// # Errors
///
/// The offers stream cannot be read. Failed puts and lost sign-ups are in the report instead.
pub async fn run_headless(
    config: &Config,
    deployed: &Deployed,
    duration: Duration,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<Report, Error> {
    let mut app = App::start(config, deployed, Duration::ZERO).await?;
    let bar = progress_bar(duration);
    let show = |text: &str| {
        let counts = app.tracker.counts();
        bar.set_message(format!(
            "{} put, {} enriched, {} waiting{text}",
            counts.put, counts.enriched, counts.waiting
        ));
    };
    let start = Instant::now();
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    tokio::pin!(shutdown);
    while start.elapsed() < duration {
        tokio::select! {
            _ = beat.tick() => {}
            () = &mut shutdown => break,
        }
        bar.set_position(u64::try_from(start.elapsed().min(duration).as_millis()).unwrap_or(u64::MAX));
        show("");
    }
    app.stop_generator.cancel();
    show(": waiting for the last offers");
    app.stop_putting().await;
    app.drain(config.drain, || {
        let waiting = app.tracker.outstanding();
        bar.set_message(format!("waiting for the last {waiting} offers"));
    })
    .await;
    bar.finish_and_clear();
    Ok(app.finish().await)
}

fn progress_bar(duration: Duration) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:32}] {msg}");
    // The template is a constant; a wrong one would only cost the looks of the bar.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
    bar
}

/// Serves the page until `shutdown`; `ready` gets the address when it listens. The generator starts at the
/// configured rate; the page may change it.
///
/// # Errors
///
/// The offers stream cannot be read, or the address cannot be listened on.
pub async fn run_page(
    config: &Config,
    deployed: &Deployed,
    ready: impl FnOnce(SocketAddr) + Send,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<Report, Error> {
    let bind = |source| Error::Bind { address: config.bind, source };
    let listener = TcpListener::bind(config.bind).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let mut app = App::start(config, deployed, config.history).await?;
    let stop = CancellationToken::new();
    let parts = web::Parts {
        clients: app.clients.clone(),
        tracker: app.tracker.clone(),
        numbering: app.numbering.clone(),
        rate: app.rate.clone(),
        address,
        endpoint: config.endpoint_url.clone().unwrap_or_else(|| "AWS".to_owned()),
        stop: stop.clone(),
    };
    let mut server = tokio::spawn(web::serve(listener, parts));
    ready(address);
    let outcome = tokio::select! {
        () = shutdown => {
            stop.cancel();
            server.await
        }
        early = &mut server => early,
    };
    app.stop_putting().await;
    // Nobody waits for these any more, but a moment is enough for most of them to be counted.
    app.drain(config.drain.min(Duration::from_secs(2)), || {}).await;
    let report = app.finish().await;
    match outcome {
        Ok(Ok(())) => Ok(report),
        Ok(Err(source)) => Err(Error::Serve { source }),
        Err(panicked) => Err(Error::Serve { source: std::io::Error::other(panicked) }),
    }
}

/// The generator's loop.
struct Pace {
    clients: Arc<Clients>,
    tracker: Arc<Tracker>,
    numbering: Arc<Numbering>,
    rate: watch::Receiver<f64>,
    stop: CancellationToken,
}

impl Pace {
    async fn run(self, mut users: Generator) {
        let slots = Arc::new(Semaphore::new(MAX_PUTS_IN_FLIGHT));
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first sign-up comes at once, however low the rate.
        let (mut due, mut last) = (1.0, Instant::now());
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = beat.tick() => {}
            }
            let rate = *self.rate.borrow();
            due += rate * last.elapsed().as_secs_f64();
            last = Instant::now();
            if rate == 0.0 || !self.tracker.has_room() {
                due = due.min(1.0);
                continue;
            }
            while due >= 1.0 {
                let Ok(slot) = slots.clone().try_acquire_owned() else { break };
                let mut batch = Vec::new();
                while due >= 1.0 && batch.len() < MAX_PUT_RECORDS {
                    let (user, at) = users.user();
                    batch.push(self.numbering.sign_up(user, Origin::Generator, at));
                    due -= 1.0;
                }
                let put = put::put_batch(self.clients.clone(), self.tracker.clone(), batch);
                tokio::spawn(async move {
                    put.await;
                    drop(slot);
                });
            }
            due = due.min((rate * LONGEST_DEBT_S).max(1.0));
        }
        // Closing takes every slot: all puts are over.
        let slots_in_all = u32::try_from(MAX_PUTS_IN_FLIGHT).unwrap_or(u32::MAX);
        drop(slots.acquire_many(slots_in_all).await);
    }
}
