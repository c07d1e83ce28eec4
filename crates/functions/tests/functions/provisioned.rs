//! What is kept for functions: workers that are ready, and invocations that nobody else gets.

use crate::common::{call, invoke, json, py, start, text};
use millstream_functions::{
    Booking, FunctionSpec, Functions, InvokeError, KeptReady, Options, ProvisionedCount,
};
use std::sync::Arc;
use std::time::Duration;

/// Says which worker it is and how it was started; `die` ends it, a number is slept.
const WHO: &str = "import os, time, uuid\nme = str(uuid.uuid4())\n\
                   def handler(event, context):\n    if event == 'die':\n        os._exit(1)\n    time.sleep(event)\n    \
                   return [me, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]\n";

/// Version 1 of a function.
fn version(spec: &Arc<FunctionSpec>) -> Arc<FunctionSpec> {
    let mut spec = (**spec).clone();
    spec.arn.push_str(":1");
    "1".clone_into(&mut spec.version);
    Arc::new(spec)
}

fn keep(functions: &Functions, spec: &Arc<FunctionSpec>, executions: u32, since: u64) {
    let kept = KeptReady { spec: Arc::clone(spec), executions, since };
    let provisioned = if executions == 0 { Vec::new() } else { vec![kept] };
    functions.book(vec![Booking {
        function_arn: arn(spec),
        reserved: spec.reserved_concurrency,
        provisioned,
    }]);
}

fn arn(spec: &FunctionSpec) -> String {
    spec.arn.trim_end_matches(":1").to_owned()
}

fn count(functions: &Functions, spec: &FunctionSpec) -> ProvisionedCount {
    functions.provisioned(&arn(spec), "1")
}

async fn until(functions: &Functions, spec: &FunctionSpec, reached: impl Fn(&ProvisionedCount) -> bool) {
    while !reached(&count(functions, spec)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn later(
    functions: &Functions,
    spec: &Arc<FunctionSpec>,
    event: &'static str,
) -> tokio::task::JoinHandle<String> {
    let (functions, spec) = (functions.clone(), Arc::clone(spec));
    tokio::spawn(async move { text(&invoke(&functions, &spec, event).await.payload) })
}

async fn until_busy(functions: &Functions, number: usize) {
    while functions.workers().busy < number {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_kept_ready_and_spill_over() {
    let options = Options { idle_expiry: Duration::from_millis(20), ..Options::default() };
    let Some(functions) = start(options).await else { return };
    let spec = version(&py(&functions, WHO).await);
    keep(&functions, &spec, 1, 1);
    until(&functions, &spec, |count| count.reached).await;
    assert_eq!((count(&functions, &spec).allocated, count(&functions, &spec).available), (1, 1));
    let first = invoke(&functions, &spec, "0").await;
    assert_eq!((first.init, &json(&first.payload)[1]), (None, &"provisioned-concurrency".into()));
    // An idle worker of anybody else is long gone.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(invoke(&functions, &spec, "0").await.payload, first.payload);

    let long = later(&functions, &spec, "2");
    until(&functions, &spec, |count| count.available == 0).await;
    let spilled = invoke(&functions, &spec, "0").await;
    assert_eq!(json(&spilled.payload)[1], "on-demand");
    assert_eq!(long.await.unwrap(), text(&first.payload));
    let counts = functions.counts();
    assert_eq!((counts[0].provisioned_invocations, counts[0].spillover_invocations), (3, 1));
    assert_eq!((counts[0].provisioned, counts[0].provisioned_running), (1, 0));

    // The unpublished version has none of it, and an alias of this one has.
    let mut latest = (*spec).clone();
    (latest.arn, latest.version) = (arn(&spec), "$LATEST".to_owned());
    assert_eq!(json(&invoke(&functions, &Arc::new(latest), "0").await.payload)[1], "on-demand");
    let mut alias = (*spec).clone();
    alias.arn = format!("{}:live", arn(&spec));
    assert_eq!(invoke(&functions, &Arc::new(alias), "0").await.payload, first.payload);

    keep(&functions, &spec, 0, 2);
    assert_eq!(count(&functions, &spec), ProvisionedCount::default());
    assert_eq!(json(&invoke(&functions, &spec, "0").await.payload)[1], "on-demand");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_started_again() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = version(&py(&functions, WHO).await);
    keep(&functions, &spec, 2, 1);
    until(&functions, &spec, |count| count.available == 2).await;
    let first = json(&invoke(&functions, &spec, "0").await.payload);
    assert!(invoke(&functions, &spec, "\"die\"").await.function_error.is_some());
    until(&functions, &spec, |count| count.available == 2).await;
    let seen = [later(&functions, &spec, "1"), later(&functions, &spec, "1")];
    for one in seen {
        let one: serde_json::Value = serde_json::from_str(&one.await.unwrap()).unwrap();
        assert_ne!(one[0], first[0], "the one that died was the one used last");
        assert_eq!(one[1], "provisioned-concurrency");
    }
    // Fewer are kept when fewer are asked for.
    keep(&functions, &spec, 1, 2);
    until(&functions, &spec, |count| count.allocated == 1 && count.reached).await;
    functions.retire(&arn(&spec));
    assert_eq!(functions.workers().idle, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_is_told_and_tried_again_when_asked_anew() {
    let Some(functions) = start(Options::default()).await else { return };
    let broken = version(&py(&functions, "raise ValueError('no')\n").await);
    keep(&functions, &broken, 1, 1);
    until(&functions, &broken, |count| count.failed.is_some()).await;
    let told = count(&functions, &broken);
    assert_eq!(told.failed.as_deref(), Some("FUNCTION_ERROR_INIT_FAILURE"));
    assert_eq!((told.allocated, told.reached), (0, false));
    let mended = version(&py(&functions, WHO).await);
    let mut mended = (*mended).clone();
    mended.revision = "2".to_owned();
    let mended = Arc::new(mended);
    keep(&functions, &mended, 1, 2);
    until(&functions, &mended, |count| count.reached && count.failed.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reserved_stays_free() {
    let Some(functions) = start(Options { max_workers: 2, ..Options::default() }).await else { return };
    let plain = py(&functions, WHO).await;
    let mut reserving = (*plain).clone();
    reserving.arn.push_str("-reserving");
    reserving.reserved_concurrency = Some(1);
    let reserving = Arc::new(reserving);
    let booking = Booking { function_arn: reserving.arn.clone(), reserved: Some(1), provisioned: Vec::new() };
    functions.book(vec![booking]);
    let long = later(&functions, &plain, "3");
    until_busy(&functions, 1).await;
    let error = functions.invoke(Arc::clone(&plain), call("0")).await.unwrap_err();
    assert!(matches!(error, InvokeError::Throttled { limit: 1 }), "{error}");
    let held = later(&functions, &reserving, "2");
    until_busy(&functions, 2).await;
    let error = functions.invoke(Arc::clone(&reserving), call("0")).await.unwrap_err();
    assert!(matches!(error, InvokeError::ReservedExhausted { reserved: 1 }), "{error}");
    assert!(held.await.unwrap().contains("on-demand"));
    assert!(long.await.unwrap().contains("on-demand"));
    // What was idle makes room once nothing is reserved any more.
    functions.book(Vec::new());
    let both = [later(&functions, &plain, "1"), later(&functions, &plain, "1")];
    for one in both {
        assert!(one.await.unwrap().contains("on-demand"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioned_workers_do_not_make_room() {
    let Some(functions) = start(Options { max_workers: 1, ..Options::default() }).await else { return };
    let plain = py(&functions, WHO).await;
    let spec = version(&plain);
    let mut other = (*plain).clone();
    other.arn.push_str("-other");
    let other = Arc::new(other);
    invoke(&functions, &other, "0").await;
    keep(&functions, &spec, 1, 1);
    until(&functions, &spec, |count| count.reached).await;
    let error = functions.invoke(other, call("0")).await.unwrap_err();
    assert!(matches!(error, InvokeError::Throttled { limit: 0 }), "{error}");
    assert_eq!(json(&invoke(&functions, &spec, "0").await.payload)[1], "provisioned-concurrency");
}

/// A burst of short invocations: each is answered, by far fewer workers, and none is left in the dark.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_served_by_whoever_comes_free() {
    let Some(functions) = start(Options { max_workers: 40, ..Options::default() }).await else { return };
    let spec = py(&functions, WHO).await;
    let all: Vec<_> = (0..40).map(|_| later(&functions, &spec, "0")).collect();
    for one in all {
        assert!(one.await.unwrap().contains("on-demand"));
    }
    // Starts that were under way when nobody waited any more are kept, those that were not never begin.
    while functions.workers().busy > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = functions.invoke(spec, call("0")).await.unwrap();
    assert_eq!(again.init, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_a_function_that_cannot_start_is_answered() {
    let Some(functions) = start(Options { max_workers: 12, ..Options::default() }).await else { return };
    let spec = py(&functions, "import os\nos._exit(3)\n").await;
    let all: Vec<_> = (0..12).map(|_| later(&functions, &spec, "0")).collect();
    for one in all {
        assert!(one.await.unwrap().contains("Runtime.ExitError"));
    }
    while functions.workers().busy > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What one function's starts take is not taken from what is reserved for another.
#[tokio::test(flavor = "multi_thread")]
async fn starts_that_nobody_waits_for_give_way() {
    let Some(functions) = start(Options { max_workers: 6, ..Options::default() }).await else { return };
    let plain = py(&functions, WHO).await;
    let others: Vec<_> = (0..3)
        .map(|number| {
            let mut other = (*plain).clone();
            other.arn = format!("{}-{number}", other.arn);
            Arc::new(other)
        })
        .collect();
    for _ in 0..5 {
        // Never more at once than there are workers, so none is ever throttled.
        let all: Vec<_> = (0..6).map(|number| later(&functions, &others[number % 3], "0")).collect();
        for one in all {
            assert!(one.await.unwrap().contains("on-demand"));
        }
    }
}
