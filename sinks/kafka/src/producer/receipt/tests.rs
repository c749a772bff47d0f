//! Receipts alone: when the writer wakes, with what, and when the room is free again.

use super::*;
use futures::executor::block_on;
use futures::future::poll_immediate;
use tokio::sync::Semaphore;

const FIRST: Written = Written {
    partition: 1,
    offset: 7,
};

fn receipt(room: &Arc<Semaphore>) -> Arc<Receipt> {
    let permit = Arc::clone(room).try_acquire_owned();
    Receipt::new(permit.expect("there is room"))
}

fn refusal(bytes: usize) -> SendError {
    SendError {
        topic: "t".to_owned(),
        partition: None,
        bytes,
        source: Box::new(KafkaError::Canceled),
    }
}

#[test]
fn a_batch_is_written_when_every_record_was_answered() {
    let room = Arc::new(Semaphore::new(1));
    let receipt = receipt(&room);
    let (one, two) = (receipt.expect(), receipt.expect());
    one.answered();
    let mut answer = receipt.settle();
    assert!(
        block_on(poll_immediate(&mut answer)).is_none(),
        "one is open"
    );
    two.written(Some(FIRST));
    two.answered();
    assert_eq!(block_on(answer).ok(), Some(Some(FIRST)));
}

#[test]
fn answers_before_the_end_of_the_batch_do_not_end_it() {
    let room = Arc::new(Semaphore::new(1));
    let receipt = receipt(&room);
    receipt.expect().answered();
    receipt.expect().answered();
    let open = receipt.open.load(Ordering::Relaxed);
    assert_eq!(open, 1, "the writer may hand over more");
    assert_eq!(block_on(receipt.settle()).ok(), Some(None));
}

#[test]
fn the_first_failure_is_told_at_once() {
    let room = Arc::new(Semaphore::new(1));
    let receipt = receipt(&room);
    let open = receipt.expect();
    receipt.expect().refused(refusal(1));
    receipt.expect().refused(refusal(2));
    let told = block_on(receipt.settle()).expect_err("two have failed");
    assert_eq!(told.bytes, 1);
    open.answered();
}

#[test]
fn a_writer_that_waits_in_another_thread_is_woken() {
    let room = Arc::new(Semaphore::new(1));
    for failing in [false, true] {
        let receipt = receipt(&room);
        let open = receipt.expect();
        let answer = receipt.settle();
        let client = std::thread::spawn(move || {
            if failing {
                open.failed(refusal(3));
            }
            open.answered();
        });
        assert_eq!(block_on(answer).is_err(), failing);
        client.join().expect("it ends");
    }
}

#[test]
fn room_is_free_with_the_last_answer_whoever_still_holds_the_receipt() {
    let room = Arc::new(Semaphore::new(1));
    let receipt = receipt(&room);
    let open = receipt.expect();
    receipt.expect().refused(refusal(1));
    let answer = receipt.settle();
    assert_eq!(room.available_permits(), 0, "one is open");
    open.answered();
    assert_eq!(room.available_permits(), 1, "a writer may wait for it");
    drop((answer, open));
    assert_eq!(room.available_permits(), 1);
}

#[test]
fn room_is_taken_until_the_last_answer_though_the_writer_has_gone() {
    let room = Arc::new(Semaphore::new(1));
    let receipt = receipt(&room);
    let open = receipt.expect();
    drop(receipt.settle());
    assert_eq!(room.available_permits(), 0);
    open.answered();
    assert_eq!(room.available_permits(), 1);
}
