//! The layer under axum: what is emitted for each request, by its ending.

use crate::support::{Cluster, SOON, Seen, until};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::MatchedPath;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use meterline_client::http::{Counts, MeterLayer};
use meterline_client::{Client, Quantity};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tower::{Layer, ServiceExt, service_fn};

const CHUNK: &[u8] = b"0123456789";

fn app(layer: &MeterLayer) -> Router {
    let stream = |chunks: Vec<Result<&'static [u8], std::io::Error>>| {
        let frames = chunks
            .into_iter()
            .map(|c| c.map(|c| http_body::Frame::data(Bytes::from(c))));
        Body::new(http_body_util::StreamBody::new(futures_of(frames)))
    };
    Router::new()
        .route(
            "/rooms/{room}",
            get(|| async { "a room" }).head(|| async { "a room" }),
        )
        .route("/echo", post(|body: Bytes| async { body }))
        .route(
            "/stream",
            get(move || async move { stream(vec![Ok(CHUNK), Ok(CHUNK)]) }),
        )
        .route(
            "/torn",
            get(move || async move { stream(vec![Ok(CHUNK), Err(std::io::Error::other("torn"))]) }),
        )
        .route("/refused", get(|| async { StatusCode::TOO_MANY_REQUESTS }))
        .route(
            "/never",
            get(|| async { std::future::pending::<()>().await }),
        )
        .layer(layer.clone())
}

/// A stream of what is there already.
fn futures_of<T>(items: impl Iterator<Item = T> + Unpin) -> impl futures::Stream<Item = T> + Unpin {
    futures::stream::iter(items)
}

fn layer(client: &Client, counts: Counts) -> MeterLayer {
    MeterLayer::new(client.clone(), |request| {
        let tenant = request.headers.get("x-tenant-id")?;
        tenant.to_str().ok().map(str::to_owned)
    })
    .endpoint(|request| Some(request.extensions.get::<MatchedPath>()?.as_str().to_owned()))
    .request_id(|request| {
        let id = request.headers.get("x-request-id")?;
        id.to_str().ok().map(str::to_owned)
    })
    .counts(counts)
}

fn request(method: &str, path: &str, body: &'static str) -> Request<Body> {
    let builder = Request::builder().method(method).uri(path);
    let builder = builder
        .header("x-tenant-id", "acme")
        .header("x-request-id", path);
    builder.body(Body::from(body)).expect("a request")
}

/// What a request becomes: its id and properties, the time taken apart.
fn check(counts: Counts, method: &str, path: &str, body: &'static str, expected: Option<&str>) {
    let cluster = Cluster::new();
    let client = cluster.client();
    let app = app(&layer(&client, counts));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let response = app
            .oneshot(request(method, path, body))
            .await
            .expect("a response");
        // What hyper does: a response to HEAD is dropped, another is read to its end.
        if method != "HEAD" {
            let _ = response.into_body().collect().await;
        }
    });
    let counters = client.close(SOON).expect("it is delivered");
    assert_eq!(
        counters.emitted,
        u64::from(expected.is_some()),
        "{method} {path}"
    );
    let seen = expected.map(|_| cluster.read(1).remove(0));
    assert_eq!(seen.map(line).as_deref(), expected);
}

fn line(seen: Seen) -> String {
    assert_eq!(
        (seen.kind.as_str(), seen.quantity.as_deref()),
        ("api.request", Some("1"))
    );
    let mut properties = seen.properties;
    response_time(&properties.remove("response_ms").expect("the time taken"));
    let pairs = properties.iter().map(|(k, v)| format!(" {k}={v}"));
    format!("{}{}", seen.id, pairs.collect::<String>())
}

/// Milliseconds, exact to the microsecond.
fn response_time(milliseconds: &str) -> Duration {
    let taken = Quantity::parse(milliseconds).expect("an exact number");
    let (micros, rest) = (taken.raw() / 1_000_000, taken.raw() % 1_000_000);
    assert_eq!(rest, 0, "whole microseconds: {taken}");
    Duration::from_micros(u64::try_from(micros).expect("not negative"))
}

/// The service takes its time twice: before its response begins, and before its body ends.
#[test]
fn the_time_taken_is_from_the_request_to_the_end_of_the_response() {
    const HEAD: Duration = Duration::from_millis(30);
    const BODY: Duration = Duration::from_millis(40);
    let cluster = Cluster::new();
    let client = cluster.client();
    let service = service_fn(|_: Request<_>| async {
        tokio::time::sleep(HEAD).await;
        let frame = futures::stream::once(Box::pin(async {
            tokio::time::sleep(BODY).await;
            Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(CHUNK)))
        }));
        Ok::<_, Infallible>(http::Response::new(http_body_util::StreamBody::new(frame)))
    });
    let layer = layer(&client, Counts::Completed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let started = Instant::now();
    runtime.expect("a runtime").block_on(async {
        let response = layer.layer(service).oneshot(request("GET", "/slow", ""));
        let body = response.await.expect("a response").into_body();
        body.collect().await.expect("a whole body");
    });
    let longest = started.elapsed();
    client.close(SOON).expect("it is delivered");
    let taken = response_time(&cluster.read(1).remove(0).properties["response_ms"]);
    assert!((HEAD + BODY..=longest).contains(&taken), "{taken:?}");
}

#[test]
fn a_whole_response_is_counted_with_its_sizes() {
    check(
        Counts::Completed,
        "GET",
        "/rooms/7",
        "",
        Some(
            "/rooms/7:api.request endpoint=/rooms/{room} method=GET outcome=completed \
         request_bytes=0 response_bytes=6 status=200",
        ),
    );
    check(
        Counts::Completed,
        "POST",
        "/echo",
        "hello",
        Some(
            "/echo:api.request endpoint=/echo method=POST outcome=completed \
         request_bytes=5 response_bytes=5 status=200",
        ),
    );
    check(
        Counts::Completed,
        "GET",
        "/stream",
        "",
        Some(
            "/stream:api.request endpoint=/stream method=GET outcome=completed \
         request_bytes=0 response_bytes=20 status=200",
        ),
    );
    check(
        Counts::Completed,
        "HEAD",
        "/rooms/7",
        "",
        Some(
            "/rooms/7:api.request endpoint=/rooms/{room} method=HEAD outcome=completed \
         request_bytes=0 response_bytes=0 status=200",
        ),
    );
    check(
        Counts::Completed,
        "GET",
        "/nowhere",
        "",
        Some(
            "/nowhere:api.request method=GET outcome=completed \
         request_bytes=0 response_bytes=0 status=404",
        ),
    );
}

#[test]
fn failures_and_refusals_are_counted_by_choice() {
    let torn = "/torn:api.request endpoint=/torn method=GET outcome=failed \
                request_bytes=0 response_bytes=10 status=200";
    check(Counts::Every, "GET", "/torn", "", Some(torn));
    check(Counts::Completed, "GET", "/torn", "", None);
    let refused = "/refused:api.request endpoint=/refused method=GET outcome=completed \
                   request_bytes=0 response_bytes=0 status=429";
    check(Counts::Completed, "GET", "/refused", "", Some(refused));
    check(Counts::Successful, "GET", "/refused", "", None);
    check(Counts::LetThrough, "GET", "/refused", "", None);
    let nowhere = "/nowhere:api.request method=GET outcome=completed \
                   request_bytes=0 response_bytes=0 status=404";
    check(Counts::LetThrough, "GET", "/nowhere", "", Some(nowhere));
}

#[test]
fn a_cancelled_request_is_counted_by_choice() {
    for (counts, expected) in [(Counts::Every, 1), (Counts::Completed, 0)] {
        let cluster = Cluster::new();
        let client = cluster.client();
        let app = app(&layer(&client, counts));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(async {
            let response = app.oneshot(request("GET", "/never", ""));
            let timeout = Duration::from_millis(20);
            tokio::time::timeout(timeout, response)
                .await
                .expect_err("it never answers");
        });
        let emitted = client.close(SOON).expect("it is delivered").emitted;
        assert_eq!(emitted, expected, "{counts:?}");
        let seen = (expected > 0).then(|| line(cluster.read(1).remove(0)));
        let meant = (expected > 0).then_some(
            "/never:api.request method=GET outcome=cancelled request_bytes=0 response_bytes=0",
        );
        assert_eq!(
            seen.as_deref()
                .map(|s| s.replace(" endpoint=/never", ""))
                .as_deref(),
            meant
        );
    }
}

#[test]
fn nothing_is_refused_without_a_tenant_or_while_nobody_takes_events() {
    let cluster = Cluster::new();
    let client = cluster
        .builder()
        .buffer(1, 8 << 20)
        .connect()
        .expect("a client");
    cluster.take_down();
    let layer = layer(&client, Counts::Every);
    let service =
        service_fn(|_| async { Ok::<_, Infallible>(http::Response::new(Body::from("hi"))) });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    for n in 0..3 {
        let request = request("GET", "/", "");
        let response = runtime
            .block_on(layer.layer(service).oneshot(request))
            .expect("a response");
        let body = runtime
            .block_on(response.into_body().collect())
            .expect("a body")
            .to_bytes();
        assert_eq!(
            (body.as_ref(), client.counters().dropped_full),
            (b"hi".as_slice(), n)
        );
        let nameless = Request::new(Body::empty());
        runtime
            .block_on(layer.layer(service).oneshot(nameless))
            .expect("a response");
        assert_eq!(layer.unattributed(), n + 1);
    }
    cluster.bring_up();
    until("the first event", || client.counters().delivered == 1);
}
