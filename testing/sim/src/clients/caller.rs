//! Has functions invoked some time later, one event after another.

use crate::client::Client;
use crate::outside::{FUNCTIONS, NUDGE, Outside};
use crate::random::Random;
use crate::world::World;
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

/// An event as its caller knows it.
#[derive(Clone, Debug)]
pub(crate) struct SentEvent {
    /// Its function's place in [`FUNCTIONS`].
    pub function: usize,
    pub fate: EventFate,
    /// The wall clock before it was sent and after its answer had come, in milliseconds.
    pub began: u64,
    pub answered: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFate {
    Unknown,
    NotDone,
    /// The answer was 202.
    Taken,
}

pub(crate) async fn run(world: Rc<World>, name: String, mut random: Random, large_percent: u64) {
    let mut client = world.client(&name, &mut random);
    while !world.over.get() {
        sleep(random.pause(80)).await;
        let function = usize::try_from(random.below(FUNCTIONS.len() as u64)).unwrap_or(0);
        let filler = if random.chance(large_percent) { random.below(6_000) } else { random.below(60) };
        let number = world.events.borrow().len();
        let began = world.clock.wall();
        world.events.borrow_mut().push(SentEvent {
            function,
            fate: EventFate::Unknown,
            began,
            answered: u64::MAX,
        });
        let event = json!({ "n": number, "x": "x".repeat(usize::try_from(filler).unwrap_or(0)) });
        let answer = client.invoke_later(FUNCTIONS[function].name, &event).await;
        let event = &mut world.events.borrow_mut()[number];
        event.answered = world.clock.wall();
        event.fate = match answer {
            Ok(()) => EventFate::Taken,
            Err(error) if error.is_not_done() => EventFate::NotDone,
            Err(_) => EventFate::Unknown,
        };
    }
}

/// How often the clock is moved at the end, and how far: past the longest pause after a failure.
const MOVES: usize = 12;
const MOVE: Duration = Duration::from_secs(125);
const ATTEMPTS: usize = 40;

/// Comes last, when all is well again: lets hours pass, so that every event comes to its end.
pub(crate) async fn let_time_pass(world: Rc<World>, outside: Outside, done: Rc<std::cell::Cell<bool>>) {
    outside.calm_down();
    let mut client = Client::new("time", world.trace.clone(), Duration::from_secs(3));
    for _ in 0..MOVES {
        world.clock.move_ahead(MOVE);
        // A server's timers do not hear of a clock that was set; a new event has it look at the time.
        let mut attempts = 0;
        while let Err(error) = client.invoke_later(NUDGE.name, &json!({})).await {
            attempts += 1;
            if attempts == ATTEMPTS {
                let what = format!("the server takes no events when nothing fails any more: {error:?}");
                world.history.borrow_mut().violation(what);
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_millis(600)).await;
    }
    done.set(true);
}
