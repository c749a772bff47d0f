//! What emitting costs the caller, with nobody there to send to: nanoseconds of a call.
//!
//! `cargo bench -p meterline-client`; with `METERLINE_BENCH_BROKERS=host:port` and a topic
//! `usage.events` there, a broker takes the events meanwhile.

use meterline_client::{Client, Form, Usage};
use std::time::{Duration, Instant};

const EVENTS: u64 = 1_000_000;
const BUFFER_BYTES: u64 = 2 << 30;
/// Calls of one measurement: reading the clock costs as much as a tenth of a call.
const BLOCK: usize = 100;

fn main() {
    let brokers = std::env::var("METERLINE_BENCH_BROKERS");
    let brokers = brokers.as_deref().unwrap_or("127.0.0.1:1");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{EVENTS} events each, brokers {brokers}, {cores} cores");
    for form in [Form::Avro, Form::CloudEventsJson, Form::CloudEventsBinary] {
        for threads in [1, 2] {
            measure(brokers, form, threads);
        }
    }
}

fn measure(brokers: &str, form: Form, threads: usize) {
    let builder = Client::builder(brokers, "//bench").form(form);
    let builder = builder.buffer(EVENTS, BUFFER_BYTES);
    let client = builder.connect().expect("the settings are right");
    let blocks = usize::try_from(EVENTS).expect("it fits") / BLOCK / threads;
    let started = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let emitters: Vec<_> = (0..threads)
            .map(|thread| {
                let client = &client;
                scope.spawn(move || emit(client, blocks, thread))
            })
            .collect();
        let times = emitters.into_iter();
        times.flat_map(|t| t.join().expect("it ends")).collect()
    });
    let all = started.elapsed();
    let counters = client.counters();
    assert_eq!(counters.lost(), 0, "{counters}");
    times.sort_unstable();
    let per_call = |time: Duration| time.as_nanos() / BLOCK as u128;
    let at = |share: usize| per_call(times[(times.len() - 1) * share / 1_000]);
    let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).expect("it fits");
    println!(
        "{form:?}, {threads} thread(s): mean {} ns, median {} ns, p99 {} ns, p99.9 {} ns a call \
         (blocks of {BLOCK}); {:.0?} in all",
        per_call(mean),
        at(500),
        at(990),
        at(999),
        all
    );
    let _ = client.close(Duration::ZERO);
}

fn emit(client: &Client, blocks: usize, thread: usize) -> Vec<Duration> {
    let mut request = 0u64;
    let mut id = String::new();
    let block = |_| {
        let started = Instant::now();
        for _ in 0..BLOCK {
            request += 1;
            id.clear();
            std::fmt::Write::write_fmt(&mut id, format_args!("req-{thread}-{request}"))
                .expect("memory takes everything");
            let usage = Usage::new("llm.completion", "acme")
                .quantity(request % 4_096)
                .property("model", "small")
                .request_id(id.as_str());
            client.emit(usage).expect("there is room");
        }
        started.elapsed()
    };
    (0..blocks).map(block).collect()
}
