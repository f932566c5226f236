//! The configuration, and what its changes do to waiting deliveries.

use std::sync::Arc;

use eg_sdk::config::{EventType, Function, Provider, Subscription};
use eg_sdk::history::{DeliveryState, JobKind};

use super::Site;
use super::bench::{self, Bench, delete, ids, ordered, put, retry, space, subscription, wanted};
use crate::decide::catalog::{Change, Resource};
use crate::decide::delivery::{SUBSCRIPTION_DELETED, disabled};
use crate::decide::lanes::Wanted;
use crate::decide::refusal::Kind;
use crate::decide::router::DEFAULT_SPACE;
use crate::store::{StoreError, Work};

pub(super) async fn resources_are_stored_and_deleted<S: Site>() {
    let mut bench = Bench::<S>::with([]).await;
    let provider = || Provider::Http { url: "http://localhost/".to_owned() };
    let function = |id: &str| {
        let mut function = Function::new(id, provider());
        DEFAULT_SPACE.clone_into(&mut function.space);
        Change::Put(Resource::Function(Arc::new(function)))
    };
    let mut elsewhere = subscription("one");
    "elsewhere".clone_into(&mut elsewhere.space);
    let changes = [function("f"), function("g"), put(subscription("one")), put(elsewhere)];
    bench.change(changes).await.unwrap();
    let changed = ordered("one");
    let gone = Change::Delete { kind: Kind::Function, space: space(), id: "g".to_owned() };
    bench.change([put(changed.clone()), gone]).await.unwrap();
    for _ in 0..2 {
        let catalog = &bench.snapshot.catalog;
        assert_eq!(**catalog.table::<Subscription>().get(DEFAULT_SPACE, "one").unwrap(), changed);
        assert!(!catalog.table::<Subscription>().get("elsewhere", "one").unwrap().ordered);
        let functions = catalog.table::<Function>().all().map(|one| one.function_id.clone());
        assert_eq!(functions.collect::<Vec<_>>(), ["f"]);
        assert_eq!(catalog.table::<EventType>().all().count(), 0);
        bench.restart().await;
    }
}

pub(super) async fn a_change_of_an_older_version_is_refused<S: Site>() {
    let mut bench = Bench::<S>::with([]).await;
    let older = bench.snapshot.catalog.version;
    bench.change([put(subscription("one"))]).await.unwrap();
    let refused = bench.store.change(older, vec![put(subscription("two")), delete("one")], bench.now).await;
    assert!(matches!(refused, Err(StoreError::Outdated)), "{refused:?}");
    let catalog = bench.store.load_catalog().await.unwrap();
    assert_eq!(catalog.version, bench.snapshot.catalog.version);
    let ids = catalog.table::<Subscription>().all().map(|one| one.subscription_id.clone());
    assert_eq!(ids.collect::<Vec<_>>(), ["one"]);
    // Of changes at the same time, one is made.
    let change = |id| bench.store.change(catalog.version, vec![put(subscription(id))], bench.now);
    let changes = futures_util::future::join_all(["two", "three", "four"].map(change)).await;
    assert_eq!(changes.iter().filter(|change| change.is_ok()).count(), 1, "{changes:?}");
    assert_eq!(bench.store.load_catalog().await.unwrap().table::<Subscription>().all().count(), 2);
}

/// Lets deliveries wait while this change and then another one are made, and returns what becomes of them.
async fn change_while_deliveries_wait<S: Site>(change: Change, reason: &str) {
    let mut bench = Bench::<S>::with([subscription("one"), subscription("two")]).await;
    bench.emit(&["a", "b"]).await;
    let (mut claimed, _) = bench.claim_with(Wanted { limit: 1, ..wanted("one", bench.now) }).await;
    let under_way = claimed.remove(0);
    bench.change([change]).await.unwrap();
    let [job] = bench.store.running_jobs().await.unwrap().try_into().expect("one job gives them up");
    assert_eq!(job.work, Work::GiveUp { subscription_id: "one".to_owned(), reason: reason.to_owned() });
    // They are given up even if it comes back before.
    bench.change([put(subscription("one"))]).await.unwrap();
    bench.emit(&["c"]).await;
    let _ = bench.finish(&under_way, retry(0)).await;
    let (claimed, losses) = bench.claim_with(wanted("one", bench.now)).await;
    assert_eq!(ids(&claimed), ["c"]);
    assert!(losses.lost.iter().all(|lost| lost.reason == reason), "{losses:?}");
    let given_up = losses.lost.len() + bench.run_jobs().await;
    assert_eq!(given_up, 2);
    for id in ["a", "b"] {
        let found = bench.delivery(id, "one").await;
        assert_eq!((found.state, found.reason.as_deref()), (DeliveryState::Dead, Some(reason)));
    }
    let job = bench.store.job(space(), job.id).await.unwrap().unwrap();
    assert_eq!((job.kind, job.percent), (JobKind::GiveUp, 100));
    assert_eq!(bench.claim("two").await.len(), 3);
    bench.tally().await;
}

pub(super) async fn deliveries_of_a_deleted_subscription_are_not_attempted<S: Site>() {
    change_while_deliveries_wait::<S>(delete("one"), SUBSCRIPTION_DELETED).await;
    // One that was routed before the deletion and is stored after it has no job.
    let mut bench = Bench::<S>::with([subscription("one")]).await;
    let late = bench.arrival("late", serde_json::json!({}));
    bench.change([delete("one")]).await.unwrap();
    assert!(bench.store.running_jobs().await.unwrap().is_empty(), "nothing waits");
    if bench.accept(vec![late]).await.is_ok() {
        let (claimed, losses) = bench.claim_with(wanted("one", bench.now)).await;
        assert_eq!((claimed.len(), losses.lost[0].reason.as_str()), (0, SUBSCRIPTION_DELETED));
    }
}

pub(super) async fn deliveries_of_a_disabled_subscription_are_not_attempted<S: Site>() {
    let change = put(bench::disabled("one", "it is gone"));
    change_while_deliveries_wait::<S>(change, &disabled("it is gone")).await;
}
