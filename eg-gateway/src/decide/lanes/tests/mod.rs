use super::*;

mod traffic;

fn lane(function: &str) -> Lane {
    Lane { space: "s".to_owned(), function: function.to_owned() }
}

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const fn first(millis: i64) -> Due {
    Due { first: Some(at(millis)), retry: None }
}

const fn retry(millis: i64) -> Due {
    Due { first: None, retry: Some(at(millis)) }
}

const BOTH: Due = Due { first: Some(at(0)), retry: Some(at(0)) };

const FIRST: Flight = Flight { retry: false, probe: false };

fn begun(deliveries: usize, due: Due) -> Begun {
    Begun { deliveries, retries: 0, due }
}

fn wanted(lanes: &mut Lanes, now: Timestamp, free: usize) -> Vec<(String, usize)> {
    let limit = |lane: &Lane| if lane.function == "limited" { 1 } else { usize::MAX };
    lanes.wanted(now, free, limit).into_iter().map(|wanted| (wanted.lane.function, wanted.limit)).collect()
}

#[test]
fn lanes_that_are_due_share_the_workers() {
    let mut lanes = Lanes::new([
        (lane("a"), first(20)),
        (lane("b"), first(10)),
        (lane("limited"), first(30)),
        (lane("c"), first(31)),
    ]);
    assert_eq!(wanted(&mut lanes, at(9), 100), []);
    assert_eq!(lanes.next_due(at(9)), Some(at(10)));
    let expected = [("b".to_owned(), 33), ("a".to_owned(), 33), ("limited".to_owned(), 1)];
    assert_eq!(wanted(&mut lanes, at(30), 100), expected);
    assert_eq!(lanes.next_due(at(30)), Some(at(31)));
}

#[test]
fn a_lane_is_known_while_something_waits_or_is_under_way() {
    let mut lanes = Lanes::default();
    lanes.due(lane("a"), first(5));
    lanes.began(&lane("a"), begun(2, Due::default()));
    assert_eq!(wanted(&mut lanes, at(10), 100), []);
    lanes.ended(&lane("a"), FIRST, Sign::Answered, at(10));
    assert_eq!(lanes.0.len(), 1);
    lanes.ended(&lane("a"), FIRST, Sign::Answered, at(10));
    assert!(lanes.0.is_empty());
}

#[test]
fn what_could_not_be_loaded_is_due_again() {
    let mut lanes = Lanes::new([(lane("a"), first(0)), (lane("b"), retry(2000))]);
    lanes.postpone([lane("a"), lane("b")], at(1000));
    assert_eq!(wanted(&mut lanes, at(999), 100), []);
    assert_eq!(wanted(&mut lanes, at(1000), 100), [("a".to_owned(), 50)]);
    assert_eq!(lanes.next_due(at(1000)), Some(at(2000)));
}

#[test]
fn the_earlier_of_two_due_times_counts() {
    let mut lanes = Lanes::default();
    for due in [first(7), retry(9), first(5), retry(11), Due::default()] {
        lanes.due(lane("a"), due);
    }
    assert_eq!(lanes.0[&lane("a")].due, Due { first: Some(at(5)), retry: Some(at(9)) });
}

#[test]
fn an_open_circuit_lets_probes_through_until_one_is_answered() {
    let mut lanes = Lanes::new([(lane("a"), BOTH)]);
    lanes.began(&lane("a"), begun(12, BOTH));
    let fails = |delivery| Sign::Failed { delivery, previous: None };
    let circuits: Vec<_> =
        (0..10).map(|delivery| lanes.ended(&lane("a"), FIRST, fails(delivery), at(0))).collect();
    assert_eq!(circuits.last(), Some(&Circuit::Opened));
    assert_eq!(wanted(&mut lanes, at(999), 100), []);
    assert_eq!(lanes.next_due(at(999)), Some(at(1000)));
    // The two that are still under way do not hold up the probe.
    let probe = lanes.wanted(at(1000), 100, |_| usize::MAX);
    assert_eq!((probe[0].limit, probe[0].reserved, probe[0].side), (1, 0, Side::Newest));
    assert!(lanes.began(&lane("a"), begun(1, Due { first: Some(at(5000)), retry: Some(at(0)) })));
    assert_eq!(wanted(&mut lanes, at(1100), 100), []);
    let probe = Flight { retry: false, probe: true };
    assert_eq!(lanes.ended(&lane("a"), probe, Sign::Answered, at(1100)), Circuit::Closed);
    // Deliveries that the breaker held back are due at once.
    let next = lanes.wanted(at(1100), 100, |_| usize::MAX);
    assert_eq!((next[0].limit, next[0].retries), (38, 38));
}

/// The first probe that hung was the last one, because the other places were kept for first attempts.
#[test]
fn retries_are_probes_while_others_hang() {
    let mut lanes = Lanes::new([(lane("a"), retry(0))]);
    lanes.began(&lane("a"), begun(10, retry(0)));
    for delivery in 0..10 {
        lanes.ended(&lane("a"), FIRST, Sign::Failed { delivery, previous: None }, at(0));
    }
    for second in 1..=10 {
        assert_eq!(wanted(&mut lanes, at(second * 1000), 100), [("a".to_owned(), 1)], "second {second}");
        lanes.began(&lane("a"), Begun { deliveries: 1, retries: 1, due: retry(0) });
    }
    assert_eq!(wanted(&mut lanes, at(11_000), 100), []);
}

#[test]
fn places_for_retries() {
    // In flight, retries among them, first attempts since the last retry, places, what is due: limit, reserved, retries.
    for (in_flight, retries, firsts, free, due, expected) in [
        (0, 0, 0, 400, BOTH, (200, 0, 150)),
        (0, 0, 200, 400, BOTH, (200, 10, 150)),
        (100, 10, 200, 300, BOTH, (100, 0, 100)),
        (100, 5, 40, 300, BOTH, (100, 2, 100)),
        (0, 0, 400, 400, first(0), (200, 0, 0)),
        (0, 0, 400, 400, retry(0), (150, 10, 150)),
        (150, 150, 0, 250, retry(0), (0, 0, 0)),
        (0, 0, 19, 2, BOTH, (1, 0, 1)),
        (0, 0, 20, 2, BOTH, (1, 1, 1)),
        (0, 0, 0, 2, retry(0), (1, 0, 1)),
    ] {
        let mut state = LaneState { in_flight, retries, firsts, due, ..LaneState::default() };
        let grant = allot(&[Demand { in_flight, room: usize::MAX }], free)[0];
        let wanted = state.wanted(&lane("a"), grant, at(0));
        let found = (wanted.limit, wanted.reserved, wanted.retries);
        assert_eq!(found, expected, "{in_flight} {retries} {firsts} {free} {due:?}");
    }
}

#[test]
fn retries_that_have_their_share_do_not_keep_the_engine_turning() {
    let state = LaneState { in_flight: 3, retries: 3, due: retry(0), ..LaneState::default() };
    let mut lanes = Lanes(BTreeMap::from([(lane("a"), state)]));
    assert_eq!(lanes.wanted(at(0), 4, |_| 4), []);
}
