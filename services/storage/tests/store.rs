//! One suite for both backends: each test runs against SQLite and, if Python is available for moto, against DynamoDB.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::time::{Duration, SystemTime};

use eg_sdk::outbox::{Decision, Handled, Outbox, OutboxError};
use eg_sdk::{CloudEvent, EventGateway};
use serde::{Deserialize, Serialize};
use service_storage::{Error, Item, Key, MAX_WRITES, Store, Write};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
    count: i64,
}

fn note(text: &str) -> Note {
    Note { text: text.into(), count: 1 }
}

fn put(partition: &str, sort: &str, text: &str) -> Write {
    Write::put(Key::new(partition, sort), &note(text)).unwrap()
}

async fn read(store: &Store, partition: &str, sort: &str) -> Option<(u64, String)> {
    let item = store.get(&Key::new(partition, sort)).await.unwrap()?;
    Some((item.version, item.read::<Note>().unwrap().text))
}

fn sorts(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.key.sort.as_str()).collect()
}

#[track_caller]
fn conflict(result: Result<(), Error>, partition: &str, sort: &str) {
    match result {
        Err(Error::Conflict { key }) => assert_eq!(key, Key::new(partition, sort)),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

async fn documents_come_back_as_they_were(store: Store) {
    let texts = ["", "plain", "O'Brien -- ; DROP TABLE items", "\u{0}\n\"\\", "ṕ 🛒", "x' OR '1'='1"];
    for text in texts {
        let key = Key::new("text", format!("key {text}"));
        let numbers = Note { text: text.into(), count: i64::MAX };
        store.transact(vec![Write::put(key.clone(), &numbers).unwrap()]).await.unwrap();
        let item = store.get(&key).await.unwrap().unwrap();
        assert_eq!((item.key.clone(), item.version), (key, 1));
        assert_eq!(item.read::<Note>().unwrap(), numbers);
    }
    assert_eq!(store.get(&Key::new("text", "key")).await.unwrap(), None);
    let item = store.get(&Key::new("text", "key plain")).await.unwrap().unwrap();
    assert!(item.read::<Vec<u8>>().unwrap_err().to_string().contains("`text` / `key plain`"));
}

async fn conditions_hold_or_nothing_is_written(store: Store) {
    let version = |version| put("c", "1", "x").if_version(version);
    conflict(store.transact(vec![version(1)]).await, "c", "1");
    store.transact(vec![put("c", "1", "a").if_absent()]).await.unwrap();
    conflict(store.transact(vec![put("c", "1", "b").if_absent()]).await, "c", "1");
    store.transact(vec![put("c", "1", "b").if_version(1)]).await.unwrap();
    conflict(store.transact(vec![put("c", "1", "c").if_version(1)]).await, "c", "1");
    assert_eq!(read(&store, "c", "1").await, Some((2, "b".into())));
    store.transact(vec![put("c", "1", "c")]).await.unwrap();
    assert_eq!(read(&store, "c", "1").await, Some((3, "c".into())), "writes without a condition count too");

    let delete = || Write::delete(Key::new("c", "1"));
    conflict(store.transact(vec![delete().if_version(2)]).await, "c", "1");
    store.transact(vec![delete().if_version(3)]).await.unwrap();
    assert_eq!(read(&store, "c", "1").await, None);
    store.transact(vec![delete()]).await.unwrap();
    store.transact(vec![put("c", "1", "d").if_absent()]).await.unwrap();
    assert_eq!(read(&store, "c", "1").await, Some((1, "d".into())), "versions start again after a delete");

    let item = store.get(&Key::new("c", "1")).await.unwrap().unwrap();
    store.transact(vec![item.update(&note("e")).unwrap()]).await.unwrap();
    conflict(store.transact(vec![item.update(&note("f")).unwrap()]).await, "c", "1");
}

async fn a_transaction_is_all_or_nothing(store: Store) {
    store.transact(vec![put("t", "1", "a"), put("u", "1", "a")]).await.unwrap();
    let writes = vec![
        put("t", "1", "b").if_version(1),
        put("t", "2", "b").if_absent(),
        Write::delete(Key::new("u", "1")).if_version(7),
    ];
    conflict(store.transact(writes).await, "u", "1");
    assert_eq!(read(&store, "t", "1").await, Some((1, "a".into())));
    assert_eq!(read(&store, "t", "2").await, None);
    assert_eq!(read(&store, "u", "1").await, Some((1, "a".into())));
    store.transact(Vec::new()).await.unwrap();
}

async fn transactions_that_cannot_be_are_refused(store: Store) {
    let twice = vec![put("w", "1", "a"), Write::delete(Key::new("w", "1"))];
    let many = (0..=MAX_WRITES).map(|n| put("w", &n.to_string(), "a")).collect();
    for (writes, message) in [
        (twice, "item `w` / `1` is written twice in one transaction"),
        (many, "101 writes are too many for one transaction of 100"),
        (vec![put("", "1", "a")], "neither part of a key may be empty: `` / `1`"),
        (vec![put("w", "", "a")], "neither part of a key may be empty: `w` / ``"),
    ] {
        assert_eq!(store.transact(writes).await.unwrap_err().to_string(), message);
    }
    assert!(store.query("w").await.unwrap().is_empty());
    let full = (0..MAX_WRITES).map(|n| put("w", &format!("{n:03}"), "a")).collect();
    store.transact(full).await.unwrap();
    assert_eq!(store.query("w").await.unwrap().len(), MAX_WRITES);
}

async fn partitions_are_listed_in_order_and_page_by_page(store: Store) {
    for sort in ["b", "a#2", "a", "a#10", "ä", "B"] {
        store.transact(vec![put("q", sort, sort), put("other", sort, sort)]).await.unwrap();
    }
    let all = ["B", "a", "a#10", "a#2", "b", "ä"];
    assert_eq!(sorts(&store.query("q").await.unwrap()), all);
    assert_eq!(sorts(&store.page("q", None, 2).await.unwrap()), all[..2]);
    assert_eq!(sorts(&store.page("q", Some("a"), 2).await.unwrap()), all[2..4]);
    assert_eq!(sorts(&store.page("q", Some("a#"), 9).await.unwrap()), all[2..]);
    assert!(store.page("q", Some("ä"), 9).await.unwrap().is_empty());
    assert!(store.query("q' OR '1'='1").await.unwrap().is_empty());
}

/// Twelve large documents: DynamoDB ends a page after a few of them.
async fn large_partitions_are_complete(store: Store) {
    let large = "x".repeat(300_000);
    for n in 0..12 {
        store.transact(vec![put("large", &format!("{n:02}"), &large)]).await.unwrap();
    }
    assert_eq!(store.query("large").await.unwrap().len(), 12);
    assert_eq!(store.page("large", Some("02"), 6).await.unwrap().len(), 6);
}

/// The store as an outbox store: state, marker and events share one transaction.
async fn an_outbox_is_kept_beside_the_state(store: Store) {
    let (gateway, recorder) = EventGateway::recording();
    let outbox = Outbox::new(store);
    let event = || CloudEvent::of_type("note.written", "/notes", serde_json::json!({"text": "a"}));
    let write = |cause: &'static str, write: Write| {
        let (outbox, gateway) = (&outbox, &gateway);
        async move {
            let decide = || async {
                let staged = gateway.stage(event()).map_err(OutboxError::Event)?;
                Ok::<_, OutboxError<Error>>(Decision::new(vec![write.clone()]).emit(staged))
            };
            outbox.handle(gateway, cause, decide).await
        }
    };
    assert_eq!(write("1", put("o", "1", "a")).await.unwrap(), Handled::Now);
    assert_eq!(write("1", put("o", "1", "b")).await.unwrap(), Handled::Before);
    assert_eq!(read(outbox.store(), "o", "1").await, Some((1, "a".into())));

    recorder.refuse_next(503, "away");
    assert!(matches!(write("2", put("o", "2", "a")).await, Err(OutboxError::Unsent(_))));
    assert_eq!(read(outbox.store(), "o", "2").await, Some((1, "a".into())), "stored all the same");
    assert_eq!(outbox.send_unsent(&gateway).await.unwrap(), 1);
    assert_eq!(write("2", put("o", "2", "b")).await.unwrap(), Handled::Before);

    // A decision whose condition never holds changes nothing, including its marker.
    let impossible = write("3", put("o", "3", "a").if_version(7)).await;
    assert!(matches!(impossible, Err(OutboxError::Contended(_))));
    assert_eq!(write("3", put("o", "3", "a")).await.unwrap(), Handled::Now);
    assert_eq!(recorder.events().len(), 3);
}

/// An expiring item exists until its time. The backend decides when to delete it; see below.
async fn what_expires_is_there_until_then(store: Store) {
    let hour = SystemTime::now() + Duration::from_secs(3600);
    store.transact(vec![put("e", "1", "a").until(hour), put("e", "2", "a")]).await.unwrap();
    store.transact(vec![put("e", "1", "b").until(hour).if_version(1)]).await.unwrap();
    assert_eq!(read(&store, "e", "1").await, Some((2, "b".into())));
    assert_eq!(store.query("e").await.unwrap().len(), 2);
}

/// In SQLite, each write of an expiring item deletes expired ones.
#[tokio::test]
async fn what_has_expired_is_taken_away_by_who_writes_next() {
    let store = Store::in_memory().unwrap();
    let (past, future) = (SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(3600));
    let old = (0..6).map(|n| put("old", &n.to_string(), "a").until(past)).collect();
    store.transact(old).await.unwrap();
    // Written again without an expiry, the item stays.
    store.transact(vec![put("old", "5", "b")]).await.unwrap();
    for n in 0..2 {
        store.transact(vec![put("new", &n.to_string(), "a").until(future)]).await.unwrap();
    }
    assert_eq!(sorts(&store.query("old").await.unwrap()), ["5"]);
    assert_eq!(store.query("new").await.unwrap().len(), 2);
}

/// DynamoDB expires items by the table's time-to-live attribute. moto stores the attribute but does not act on it.
#[cfg(feature = "dynamodb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_told_when_an_item_expires() {
    use aws_sdk_dynamodb::types::AttributeValue;

    let Some(moto) = eg_tests::moto::Moto::shared() else { return };
    let store = service_storage::testing::table(&moto.url, "expiring").await;
    let client = service_storage::testing::client(&moto.url);
    let expires = async |sort: &str| {
        let key = |name: &str| AttributeValue::S(name.to_owned());
        let item = client.get_item().table_name("expiring").key("partition", key("e")).key("sort", key(sort));
        let item = item.send().await.unwrap().item.unwrap();
        item.get("expires").map(|expires| expires.as_n().unwrap().clone())
    };
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(1_900_000_000_500);
    store.transact(vec![put("e", "1", "a").until(end), put("e", "2", "a")]).await.unwrap();
    assert_eq!((expires("1").await.as_deref(), expires("2").await), (Some("1900000001"), None));
    store.transact(vec![put("e", "1", "b")]).await.unwrap();
    assert_eq!(expires("1").await, None, "written again without an end, it stays");

    let table = client.describe_time_to_live().table_name("expiring").send().await.unwrap();
    let table = table.time_to_live_description.unwrap();
    assert_eq!(table.attribute_name.as_deref(), Some("expires"));
}

/// An outbox forgets handled causes after a while, but never unsent events.
#[tokio::test]
async fn an_outbox_forgets_only_what_is_over() {
    let (gateway, recorder) = EventGateway::recording();
    let outbox = Outbox::new(Store::in_memory().unwrap()).with_memory(Duration::ZERO);
    let handle = async |cause: &str| {
        let event = CloudEvent::of_type("note.written", "/notes", serde_json::json!({"text": "a"}));
        let staged = gateway.stage(event).unwrap();
        let decide = || async { Ok::<_, OutboxError<Error>>(Decision::new(Vec::new()).emit(staged.clone())) };
        outbox.handle(&gateway, cause, decide).await
    };
    recorder.refuse_next(503, "away");
    assert!(matches!(handle("1").await, Err(OutboxError::Unsent(_))));
    assert_eq!(handle("2").await.unwrap(), Handled::Now);
    // The store counts whole seconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(handle("3").await.unwrap(), Handled::Now);
    assert_eq!(handle("2").await.unwrap(), Handled::Now, "forgotten");
    assert_eq!(outbox.send_unsent(&gateway).await.unwrap(), 1);

    let outbox = outbox.with_memory(Duration::from_secs(60));
    let decide = || async { Ok::<_, OutboxError<Error>>(Vec::new()) };
    for expected in [Handled::Now, Handled::Before, Handled::Before] {
        assert_eq!(outbox.record("4", decide).await.unwrap(), expected);
    }
}

/// Concurrent writers that read, decide, write and retry lose no update. Not for moto, which checks the conditions of
/// two transactions at once and then writes both.
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_meet_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::sqlite(&directory.path().join("s.db")).unwrap();
    let key = Key::new("meet", "counter");
    store.transact(vec![Write::put(key.clone(), &0_u32).unwrap()]).await.unwrap();
    let count = |store: Store, key: Key| async move {
        for _ in 0..10 {
            loop {
                let item = store.get(&key).await.unwrap().unwrap();
                let next = item.read::<u32>().unwrap() + 1;
                match store.transact(vec![item.update(&next).unwrap()]).await {
                    Ok(()) => break,
                    Err(e) => assert!(e.is_conflict(), "{e}"),
                }
            }
        }
    };
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(count(store.clone(), key.clone()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.get(&key).await.unwrap().unwrap().read::<u32>().unwrap(), 40);
}

macro_rules! suite {
    ($($test:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                super::$test(service_storage::Store::sqlite(&directory.path().join("s.db")).unwrap()).await;
            })+
        }

        #[cfg(feature = "dynamodb")]
        mod dynamodb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let Some(moto) = eg_tests::moto::Moto::shared() else { return };
                // The tests share moto, and each has a table of its own.
                let table = stringify!($test);
                super::$test(service_storage::testing::table(&moto.url, table).await).await;
            })+
        }
    };
}

suite! {
    documents_come_back_as_they_were
    conditions_hold_or_nothing_is_written
    a_transaction_is_all_or_nothing
    transactions_that_cannot_be_are_refused
    partitions_are_listed_in_order_and_page_by_page
    large_partitions_are_complete
    an_outbox_is_kept_beside_the_state
    what_expires_is_there_until_then
}

/// Each function of a service is its own process, and all of them start at once without the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_can_be_opened_by_many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let open = |n: usize, path: std::path::PathBuf| {
        let store = Store::sqlite(&path).unwrap();
        (n, store)
    };
    let opened: Vec<_> = (0..8)
        .map(|n| {
            let path = path.clone();
            std::thread::spawn(move || open(n, path))
        })
        .collect();
    for thread in opened {
        let (n, store) = thread.join().unwrap();
        store.transact(vec![put("o", &n.to_string(), "a").if_absent()]).await.unwrap();
    }
    assert_eq!(Store::sqlite(&path).unwrap().query("o").await.unwrap().len(), 8);
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let missing = std::path::Path::new("/proc/none/s.db");
    assert!(Store::sqlite(missing).unwrap_err().to_string().starts_with("cannot open /proc/none/s.db: "));
}
