//! The order of what waits, the pauses after failures, and the faults of a seed.

use std::time::{Duration, SystemTime};

use eg_sdk::CloudEvent;

use super::pending::{Again, Item, Pending};
use super::seed::{Faults, interrupted};

const SECOND: Duration = Duration::from_secs(1);

fn item(id: &str, due: u64, lane: Option<&str>) -> Item {
    let (due, accepted) =
        (SystemTime::UNIX_EPOCH + SECOND * u32::try_from(due).unwrap(), SystemTime::UNIX_EPOCH);
    let event = CloudEvent::of_type("t", "/s", eg_sdk::Data::Empty).with_id(id);
    let lane = lane.map(str::to_owned);
    Item { service: 0, function: "f", event, due, accepted, failures: 0, lane, again: Again::Message }
}

#[test]
fn what_has_been_due_for_the_longest_time_goes_first_and_lanes_keep_their_order() {
    let mut pending = Pending::default();
    for item in [item("a", 5, None), item("b", 1, None), item("c", 9, Some("g")), item("d", 1, Some("g"))] {
        pending.push(item);
    }
    let at = |seconds: u32| SystemTime::UNIX_EPOCH + SECOND * seconds;
    let mut taken = |now| pending.take(at(now), |_| 0).map(|item| item.event.id().to_owned());
    assert_eq!(taken(5).as_deref(), Some("b"));
    assert_eq!(taken(5).as_deref(), Some("a"));
    assert_eq!(taken(5), None, "d waits for c");
    assert_eq!(pending.next(), Some(at(9)));
    let head = pending.take(at(9), |_| 0).unwrap();
    pending.put_back(Item { due: at(20), ..head });
    assert_eq!(pending.next(), Some(at(20)), "c is before d again");
}

#[test]
fn pauses_and_ends_of_each_kind() {
    let day = Duration::from_secs(24 * 60 * 60);
    let default = eg_grammar::DeliveryPolicy::default();
    let event = Again::Event(default.clone());
    let record = Again::Record(eg_grammar::DeliveryPolicy { attempts: u32::MAX, ..default });
    for (again, failures, age, expected) in [
        (&event, 1, Duration::ZERO, Some(SECOND)),
        (&event, 3, Duration::ZERO, Some(4 * SECOND)),
        (&event, 16, Duration::ZERO, None),
        (&event, 1, day, None),
        (&record, 1_000, Duration::ZERO, Some(300 * SECOND)),
        (&record, 1_000, day, None),
        (&Again::Message, 4, Duration::ZERO, Some(30 * SECOND)),
        (&Again::Message, 5, Duration::ZERO, None),
        (&Again::Schedule, 1, Duration::ZERO, Some(60 * SECOND)),
        (&Again::Schedule, 2, Duration::ZERO, Some(120 * SECOND)),
        (&Again::Schedule, 3, Duration::ZERO, None),
    ] {
        assert_eq!(again.pause(failures, age, 1.0).ok(), expected, "{again:?} {failures} {age:?}");
    }
}

#[test]
fn a_seed_gives_the_same_faults_again() {
    let faults = |seed| {
        let mut faults = Faults::new(seed);
        let of_one =
            |faults: &mut Faults| (faults.below(7), faults.duplicates(), faults.crash(), faults.chance());
        (0..100).map(|_| of_one(&mut faults)).collect::<Vec<_>>()
    };
    assert_eq!(faults(1), faults(1));
    assert_ne!(faults(1), faults(2));
    assert!(faults(1).iter().any(|(_, duplicates, ..)| *duplicates));
    assert!(faults(1).iter().any(|(_, _, crash, _)| crash.is_some()));
    assert!(faults(1).iter().all(|(below, _, _, chance)| *below < 7 && (0.0..=1.0).contains(chance)));
}

#[tokio::test]
async fn an_interrupted_function_is_dropped_at_its_turn() {
    let turns = async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(interrupted(async { 7 }, None).await, Some(7));
    assert_eq!(interrupted(async { 7 }, Some(1)).await, Some(7), "it ended within its turn");
    assert_eq!(interrupted(turns, Some(3)).await, None);
}
