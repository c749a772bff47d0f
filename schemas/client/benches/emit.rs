//! What emitting costs the caller, with nobody there to send to: nanoseconds of a call, by the
//! clock and by the caller's own time on a processor, which neighbours do not change.
//!
//! A call here writes a request's id, builds the event and emits it. The buffer holds all events,
//! so that their memory is new to the process: a service in its steady state pays less.
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
    let (cpu, times): (Vec<u64>, Vec<Vec<Duration>>) = std::thread::scope(|scope| {
        let emitters: Vec<_> = (0..threads)
            .map(|thread| {
                let client = &client;
                scope.spawn(move || emit(client, blocks, thread))
            })
            .collect();
        let times = emitters.into_iter();
        times.map(|t| t.join().expect("it ends")).unzip()
    });
    let mut times = times.concat();
    let all = started.elapsed();
    let counters = client.counters();
    assert_eq!(counters.lost(), 0, "{counters}");
    times.sort_unstable();
    let per_call = |time: Duration| time.as_nanos() / BLOCK as u128;
    let at = |share: usize| per_call(times[(times.len() - 1) * share / 1_000]);
    let cpu = cpu.iter().sum::<u64>() / u64::try_from(times.len() * BLOCK).expect("it fits");
    println!(
        "{form:?}, {threads} thread(s): {cpu} ns of a processor a call; by the clock median {} ns, \
         p99 {} ns (blocks of {BLOCK}); {all:.0?} in all",
        at(500),
        at(990),
    );
    let _ = client.close(Duration::ZERO);
}

/// Time on a processor, and the clock's time of each block.
fn emit(client: &Client, blocks: usize, thread: usize) -> (u64, Vec<Duration>) {
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
    let before = processor_nanos();
    let times = (0..blocks).map(block).collect();
    (processor_nanos() - before, times)
}

/// What Linux says of this thread; 0 elsewhere.
fn processor_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = stat.split(' ').next().and_then(|text| text.parse().ok());
    first.unwrap_or(0)
}
