//! What is held back: for how long, against which answers, and that a cap is never passed by it.

use super::super::Reason;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn whole(number: i128) -> Quantity {
    Quantity::from_unscaled(number, 0).expect("a quantity")
}

fn answer(room: i128, age: Duration) -> Answer {
    Answer {
        allowed: room > 0,
        soft: false,
        room: Some(whole(room)),
        reason: Reason::Limit,
        retry_after: None,
        age,
        adds_up: true,
    }
}

/// The most that is allowed at once, by asking for one after the other.
fn left(entry: &mut Entry, now: Instant, hold: Hold) -> u32 {
    let mut left = 0;
    while entry.take(Quantity::ONE, now, hold) {
        left += 1;
    }
    left
}

#[test]
fn an_answer_frees_what_it_has_seen_and_not_what_came_later() {
    let (hold, start) = (Hold::new(Duration::ZERO), Instant::now());
    let mut entry = Entry::new(answer(100, Duration::ZERO), start, hold);
    assert!(entry.take(whole(40), start, hold));
    let later = start + 5 * SECOND;
    assert!(entry.take(whole(30), later, hold));
    // Seen two seconds before: the 40 are in it, the 30 are not.
    entry.renew(answer(60, 2 * SECOND), later + SECOND, hold);
    assert_eq!(left(&mut entry, later + SECOND, hold), 30);
}

#[test]
fn what_was_allowed_is_held_back_until_its_event_must_have_been_seen() {
    let (hold, start) = (Hold::new(30 * SECOND), Instant::now());
    let mut entry = Entry::new(answer(10, Duration::ZERO), start, hold);
    assert!(entry.take(whole(10), start, hold));
    // The event comes when the use ends: until then the service answers as before.
    for seconds in 1..=30 {
        let now = start + seconds * SECOND;
        entry.renew(answer(10, Duration::ZERO), now, hold);
        assert!(!entry.take(Quantity::ONE, now, hold), "after {seconds} s");
    }
    // There was none: what was allowed is free again.
    let over = start + 30 * SECOND + 2 * hold.step + AGE_UNIT;
    entry.renew(answer(10, Duration::ZERO), over, hold);
    assert_eq!(left(&mut entry, over, hold), 10);
}

#[test]
fn an_answer_that_has_seen_less_only_takes_room_away() {
    let (hold, start) = (Hold::new(Duration::ZERO), Instant::now());
    let mut entry = Entry::new(answer(10, Duration::ZERO), start, hold);
    assert!(entry.take(whole(10), start, hold));
    let later = start + 5 * SECOND;
    entry.renew(answer(0, SECOND), later, hold);
    // Another instance is behind: it knows nothing of the ten, which are not held back any more.
    entry.renew(answer(10, 5 * SECOND), later + SECOND, hold);
    assert_eq!(left(&mut entry, later + SECOND, hold), 0);
    // A limit that was raised is known once as much was seen.
    entry.renew(answer(7, 2 * SECOND), later + SECOND, hold);
    assert_eq!(left(&mut entry, later + SECOND, hold), 7);
    // The answer to a question of before came late.
    entry.renew(answer(100, Duration::ZERO), later, hold);
    assert_eq!(left(&mut entry, later + SECOND, hold), 0);
}

#[test]
fn sums_are_bounded_and_only_get_stricter() {
    let (hold, start) = (Hold::new(Duration::ZERO), Instant::now());
    let room = 3 * i128::try_from(STEPS_MAX).expect("it fits");
    let mut entry = Entry::new(answer(room, SECOND), start, hold);
    let mut taken = 0;
    for step in 0..1_000 {
        taken += i128::from(entry.take(Quantity::ONE, start + hold.step * step, hold));
        assert!(entry.steps() <= STEPS_MAX);
    }
    assert_eq!(taken, room);
    assert_eq!(entry.held_sum, whole(room).raw());
}

/// Numbers from a seed, each below its bound.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A question that is under way: it was asked, the service answered, and that comes in.
struct Question {
    asked: u64,
    comes: u64,
    answer: Answer,
}

const CAP: u64 = 500;
const EVENT_WITHIN: u64 = 3_000;

/// A service that takes no new use, behind two instances of different age.
struct Log {
    /// When each event of one unit is in the log.
    appended: Vec<u64>,
}

impl Log {
    fn ask(&self, now: u64, numbers: &mut Numbers) -> Question {
        let answered = now + numbers.below(400);
        let age = [300, 4_000][usize::from(numbers.below(2) == 1)] + numbers.below(700);
        let seen = answered.saturating_sub(age);
        // All events up to what was seen, and none that is not in the log when it answers.
        let known = self.appended.iter().filter(|at| **at <= seen).count();
        let room = CAP - u64::try_from(known).expect("it fits");
        Question {
            asked: now,
            comes: answered + numbers.below(400),
            answer: answer(room.into(), Duration::from_millis(age)),
        }
    }
}

/// Milliseconds of one gateway that has a tenant to itself; how much it allowed, and the most.
fn run(seed: u64) -> u64 {
    let mut numbers = Numbers(seed);
    let (hold, start) = (
        Hold::new(Duration::from_millis(EVENT_WITHIN)),
        Instant::now() + 100 * SECOND,
    );
    let at = |millis: u64| start + Duration::from_millis(millis);
    let mut log = Log {
        appended: Vec::new(),
    };
    let first = log.ask(0, &mut numbers);
    let mut entry = Entry::new(first.answer, at(0), hold);
    let mut under_way: Vec<Question> = Vec::new();
    for now in (first.comes..300_000).step_by(10) {
        let (come, still) = under_way.into_iter().partition(|q| q.comes <= now);
        under_way = still;
        for question in Vec::<Question>::into_iter(come) {
            entry.renew(question.answer, at(question.asked), hold);
        }
        if numbers.below(50) == 0 {
            under_way.push(log.ask(now, &mut numbers));
        }
        if numbers.below(8) == 0 && entry.take(Quantity::ONE, at(now), hold) {
            log.appended.push(now + numbers.below(EVENT_WITHIN + 1));
        }
        assert!(log.appended.len() <= 500, "seed {seed}: passed at {now} ms");
    }
    u64::try_from(log.appended.len()).expect("it fits")
}

#[test]
fn a_gateway_alone_reaches_a_hard_cap_and_never_passes_it() {
    for seed in 0..50 {
        assert_eq!(run(seed), CAP, "seed {seed}");
    }
}
