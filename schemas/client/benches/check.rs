//! What a quota check costs where a good answer is kept: nanoseconds of a call.
//!
//! The service is one in this process that answers once per tenant and meter; then nobody is asked.
//!
//! `cargo bench -p meterline-client --features check --bench check --profile release`

use meterline_client::check::{Basis, Checker};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const TENANTS: usize = 1_000;
const CALLS: u32 = 2_000_000;
const ANSWER: &str = r#"{"tenant":"t","allowed":true,"age_ms":10,"stale":false,"meters":[{"meter":"calls","allowed":true,"soft":false,"reason":"within","used":"0","included":null,"limit":"1000000000","remaining":"1000000000","room":"1000000000","percentage":"0.0","cap":"hard","resets_at":null,"retry_after":null,"grace_until":null}]}"#;

fn main() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let hour = Duration::from_secs(3_600);
    let builder = Checker::builder(serve(), "mlk_0123456789ab_secret").without_tls();
    let builder = builder
        .fresh(hour)
        .good(hour)
        .timeout(Duration::from_secs(10));
    let checker = builder.connect().expect("a checker");
    let tenants: Vec<String> = (0..TENANTS).map(|n| format!("tenant-{n:05}")).collect();
    for tenant in &tenants {
        let verdict = runtime.block_on(checker.check(tenant, "calls", 1));
        assert_eq!(verdict.basis, Basis::Service);
    }
    for threads in [1, 2] {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for tenant in tenants.iter().cycle().take(CALLS as usize) {
                        let verdict = checker.try_check(tenant, "calls", 1);
                        assert!(std::hint::black_box(verdict).is_some_and(|v| v.allowed));
                    }
                });
            }
        });
        let each = started.elapsed() / CALLS;
        println!(
            "{threads} thread(s): {} ns a call, {TENANTS} tenants",
            each.as_nanos()
        );
    }
}

/// A service for one connection at a time; keeps it open.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            std::thread::spawn(move || {
                let mut buffer = [0; 4_096];
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                    ANSWER.len()
                );
                while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                    let answer = format!("{head}{ANSWER}");
                    stream.write_all(answer.as_bytes()).expect("it is taken");
                }
            });
        }
    });
    url
}
