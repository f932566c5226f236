//! Tables of the visibility of messages over time.

use super::super::QueueSettings;
use super::super::attributes::Overrides;
use super::*;

const QUEUE: &str = "orders";

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("queues.db"), 0).unwrap();
    (folder, store)
}

fn send(store: &Store, queue: &str, body: &str, group: Option<&str>, at: i64) -> String {
    let deduplication = group.map(|_| body.to_owned());
    let message = NewMessage {
        body: body.to_owned(),
        attributes: "{}".to_owned(),
        group: group.map(str::to_owned),
        deduplication,
        visible: at,
    };
    store.send(queue, &[message], at).unwrap().remove(0).id
}

/// Receives up to ten messages, invisible for 100 ms, at most twice each.
fn receive(store: &Store, queue: &str, at: i64) -> Received {
    let redrive = Some(Redrive { target: "dead".to_owned(), max_receives: 2 });
    store.receive(&Receive { queue: queue.to_owned(), most: 10, until: at + 100, redrive }, at).unwrap()
}

fn bodies(received: &Received) -> Vec<&str> {
    received.messages.iter().map(|message| message.body.as_str()).collect()
}

fn receipts(received: &Received) -> Vec<String> {
    received.messages.iter().map(|message| message.receipt.clone()).collect()
}

#[test]
fn a_message_is_invisible_while_it_is_handled_and_comes_again() {
    let (_folder, store) = open();
    send(&store, QUEUE, "a", None, 0);
    send(&store, QUEUE, "b", None, 1);
    let first = receive(&store, QUEUE, 10);
    assert_eq!(bodies(&first), ["a", "b"]);
    assert_eq!(bodies(&receive(&store, QUEUE, 109)), [""; 0]);
    assert_eq!(store.next_visible(QUEUE, 10).unwrap(), Some(110));
    assert_eq!(store.delete(QUEUE, &receipts(&first)[..1]).unwrap(), [true]);

    let second = receive(&store, QUEUE, 110);
    assert_eq!(bodies(&second), ["b"]);
    assert_eq!((second.messages[0].receives, second.messages[0].first_received), (2, 10));
    assert_eq!(store.delete(QUEUE, &receipts(&first)[1..]).unwrap(), [false], "an old receipt");
    assert_eq!(store.counts(QUEUE, 111).unwrap(), Counts { visible: 0, in_flight: 1, delayed: 0 });
}

#[test]
fn a_message_received_too_often_is_a_dead_letter() {
    let (_folder, store) = open();
    let id = send(&store, QUEUE, "poison", None, 0);
    receive(&store, QUEUE, 0);
    receive(&store, QUEUE, 100);
    let third = receive(&store, QUEUE, 200);
    assert_eq!((bodies(&third).len(), third.dead), (0, vec![(id.clone(), 2)]));
    let dead = receive(&store, "dead", 200);
    assert_eq!(dead.messages[0].id, id);
    assert_eq!(dead.messages[0].came_from.as_deref(), Some(QUEUE));

    send(&store, "dead", "sent to it by hand", None, 0);
    assert_eq!(store.move_back("dead", 300).unwrap(), [QUEUE]);
    let back = receive(&store, QUEUE, 300);
    assert_eq!((back.messages[0].receives, back.messages[0].came_from.as_deref()), (1, None));
    assert_eq!(bodies(&receive(&store, "dead", 300)), ["sent to it by hand"], "that came from nowhere");
}

#[test]
fn a_group_waits_for_its_own_and_for_no_other() {
    let (_folder, store) = open();
    let fifo = "orders.fifo";
    send(&store, fifo, "a1", Some("a"), 0);
    let first = receive(&store, fifo, 0);
    send(&store, fifo, "a2", Some("a"), 1);
    send(&store, fifo, "b1", Some("b"), 2);
    assert_eq!(bodies(&receive(&store, fifo, 5)), ["b1"]);
    store.delete(fifo, &receipts(&first)).unwrap();
    assert_eq!(bodies(&receive(&store, fifo, 6)), ["a2"]);
}

#[test]
fn a_delayed_message_holds_up_the_later_ones_of_its_group_only() {
    let (_folder, store) = open();
    let fifo = "orders.fifo";
    let send_delayed = |body: &str, visible: i64| {
        let group = Some("a".to_owned());
        let message = NewMessage { body: body.to_owned(), group, visible, ..NewMessage::default() };
        store.send(fifo, &[message], 0).unwrap();
    };
    send_delayed("a1", 0);
    send_delayed("a2", 50);
    send_delayed("a3", 0);
    let first = receive(&store, fifo, 0);
    assert_eq!(bodies(&first), ["a1"]);
    store.delete(fifo, &receipts(&first)).unwrap();
    assert_eq!(bodies(&receive(&store, fifo, 49)), [""; 0]);
    assert_eq!(bodies(&receive(&store, fifo, 50)), ["a2", "a3"]);
}

#[test]
fn a_fifo_queue_takes_a_message_once_in_five_minutes() {
    let (_folder, store) = open();
    let fifo = "orders.fifo";
    let first = send(&store, fifo, "same", Some("a"), 0);
    assert_eq!(send(&store, fifo, "same", Some("a"), DEDUPLICATION - 1), first);
    assert_ne!(send(&store, fifo, "same", Some("a"), DEDUPLICATION), first);
    assert_eq!(store.counts(fifo, DEDUPLICATION).unwrap().visible, 2);
}

#[test]
fn what_was_being_handled_is_due_again_after_a_restart() {
    let (folder, store) = open();
    send(&store, QUEUE, "a", None, 0);
    send(&store, QUEUE, "later", None, 10_000);
    receive(&store, QUEUE, 0);
    drop(store);
    let store = Store::open(&folder.path().join("queues.db"), 50).unwrap();
    assert_eq!(bodies(&receive(&store, QUEUE, 50)), ["a"]);
    assert_eq!(store.counts(QUEUE, 50).unwrap().delayed, 1, "a delay is no handling");
}

/// A message that its function rejects would fail again each time.
#[test]
fn a_rejected_message_is_a_dead_letter_at_once() {
    let (_folder, store) = open();
    let ids = ["a", "b"].map(|body| send(&store, QUEUE, body, None, 0));
    let received = receive(&store, QUEUE, 10);
    let rejected = [
        (received.messages[0].receipt.clone(), Some("no address".to_owned())),
        ("an old receipt".to_owned(), None),
    ];
    let redrive = Redrive { target: "dead".to_owned(), max_receives: 2 };
    assert_eq!(
        store.reject(QUEUE, &rejected, &redrive, 20).unwrap(),
        [(ids[0].clone(), 1, Some("no address".to_owned()))]
    );
    let letters = store.letters(&Which { queue: QUEUE.to_owned(), one: None }, 9).unwrap();
    let letter: Vec<_> = letters
        .iter()
        .map(|letter| (letter.id.as_str(), letter.died, letter.receives, letter.reason.as_deref()))
        .collect();
    assert_eq!(letter, [(ids[0].as_str(), Some(20), Some(1), Some("no address"))]);
    assert_eq!(bodies(&receive(&store, "dead", 20)), ["a"]);
    assert_eq!(bodies(&receive(&store, QUEUE, 110)), ["b"], "the other one is not affected");
}

#[test]
fn a_dead_letter_keeps_the_reason_until_it_is_tried_again() {
    let (_folder, store) = open();
    let ids = ["a", "b"].map(|body| send(&store, QUEUE, body, None, 0));
    for at in [0, 100] {
        let received = receive(&store, QUEUE, at);
        let failures: Vec<_> = received
            .messages
            .iter()
            .map(|message| (message.receipt.clone(), Some(format!("no {} at {at}", message.body))))
            .collect();
        store.fail(QUEUE, &failures, at + 100).unwrap();
    }
    assert_eq!(receive(&store, QUEUE, 200).dead.len(), 2);
    let which = |one: Option<&str>| Which { queue: QUEUE.to_owned(), one: one.map(str::to_owned) };
    let letter = |id: &str, body: &str| Letter {
        id: id.to_owned(),
        body: body.to_owned(),
        group: None,
        sent: 0,
        died: Some(200),
        receives: Some(2),
        reason: Some(format!("no {body} at 100")),
    };
    assert_eq!(store.letters(&which(None), 9).unwrap(), [letter(&ids[1], "b"), letter(&ids[0], "a")]);
    assert_eq!(store.letters(&which(Some(&ids[1])), 9).unwrap(), [letter(&ids[1], "b")]);
    assert_eq!(store.letters(&which(None), 1).unwrap(), [letter(&ids[1], "b")]);
    assert_eq!(store.queues_with_letters().unwrap(), [(QUEUE.to_owned(), 2)]);
    assert_eq!(store.letters(&Which { queue: "others".to_owned(), one: None }, 9).unwrap(), []);

    assert_eq!(store.retry_letters(&which(Some(&ids[0])), Some("fixed"), 300).unwrap(), 1);
    assert_eq!(
        store.retry_letters(&which(Some(&ids[0])), None, 300).unwrap(),
        0,
        "it is no dead letter any more"
    );
    let again = receive(&store, QUEUE, 300);
    assert_eq!((bodies(&again), again.messages[0].receives), (vec!["fixed"], 1));
    assert_eq!(store.count_letters(QUEUE).unwrap(), 1);
    assert_eq!(store.discard_letters(&which(None)).unwrap(), 1);
    assert_eq!(store.queues_with_letters().unwrap(), []);
}

#[test]
fn a_queue_forgets_messages_that_are_older_than_it_keeps_them() {
    let (_folder, store) = open();
    let mut overrides = Overrides::default();
    let minute = [("MessageRetentionPeriod".to_owned(), "60".to_owned())];
    overrides.set(QUEUE, &minute.into()).unwrap();
    store.create(QUEUE, &overrides, 0).unwrap();
    send(&store, QUEUE, "old", None, 0);
    send(&store, QUEUE, "new", None, 1);
    let queue = store.properties(QUEUE, QueueSettings::default()).unwrap();
    store.forget(&queue, 60_000).unwrap();
    assert_eq!(bodies(&receive(&store, QUEUE, 60_000)), ["new"]);
}

#[test]
fn the_target_of_a_redrive_policy_keeps_its_messages() {
    let (_folder, store) = open();
    let mut overrides = Overrides::default();
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;
    overrides.set(QUEUE, &[("RedrivePolicy".to_owned(), policy.to_owned())].into()).unwrap();
    store.create("dead", &Overrides::default(), 0).unwrap();
    assert!(store.properties("dead", QueueSettings::default()).unwrap().redrive().is_some());
    store.create(QUEUE, &overrides, 0).unwrap();
    assert_eq!(store.properties("dead", QueueSettings::default()).unwrap().redrive(), None);
}
