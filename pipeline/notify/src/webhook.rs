//! Webhooks: HTTP POST by Standard Webhooks.
//!
//! One client for all routes, which follows no redirect, uses no proxy of the environment, connects
//! only to addresses that were judged, and reads little of what is answered.

use crate::address::{Refused, Resolver};
use crate::answer::{Answer, Verdict, tls_error};
use crate::ca::authorities;
use crate::error::NotifyError;
use crate::message::Message;
use crate::settings::Settings;
use crate::signature::signatures;
use meterline_clickhouse::Secret;
use meterline_core::time::LogTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, StatusCode, redirect};
use std::error::Error;
use std::time::Duration;

/// Most of an answer's body that is read, so that its connection can be used again; a longer one
/// is dropped with its connection.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// How long a connection without requests is kept: receivers close them after about a minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Told to receivers.
const USER_AGENT: &str = concat!("meterline/", env!("CARGO_PKG_VERSION"));

/// The client of all webhooks.
#[derive(Debug)]
pub(crate) struct Webhooks {
    client: Client,
    timeout: Duration,
    signing_key: Secret,
}

/// Where a request goes and whose secret signs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    pub route: &'a str,
    pub url: &'a str,
    pub generation: u32,
    pub previous_until: Option<LogTime>,
}

impl Webhooks {
    pub(crate) fn new(settings: &Settings) -> Result<Self, NotifyError> {
        let webhook = &settings.webhook;
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(!webhook.allow_http)
            .timeout(webhook.timeout)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .dns_resolver(Resolver {
                allow_private: webhook.allow_private_addresses,
            });
        if let Some(path) = &webhook.ca_file {
            let read = authorities(path)?.into_iter();
            let read = read.map(|der| Certificate::from_der(&der));
            let read: Result<Vec<_>, _> = read.collect();
            builder = builder.tls_certs_merge(read.map_err(NotifyError::Webhooks)?);
        }
        Ok(Self {
            client: builder.build().map_err(NotifyError::Webhooks)?,
            timeout: webhook.timeout,
            signing_key: settings.signing_key.clone(),
        })
    }

    /// Posts a message to a checked target; `now` is what the request is dated with.
    pub(crate) async fn post(
        &self,
        to: Destination<'_>,
        message: &Message,
        now: LogTime,
    ) -> Answer {
        let (body, seconds) = (message.json(), now.0.div_euclid(1_000));
        let generations = generations(to, now);
        let signed = (message.id.as_str(), seconds, body.as_slice());
        let signature = signatures(&self.signing_key, to.route, &generations, signed);
        let request = self
            .client
            .post(to.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => {
                let answer = judge(response.status(), response.headers());
                drain(response).await;
                answer
            }
            Err(error) => Answer::retry(self.reason(&error)),
        }
    }

    /// Why there was no answer, without the URL: its path is a secret with some receivers.
    fn reason(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {:?}", self.timeout);
        }
        if let Some(tls) = tls_error(error) {
            return format!("no connection by TLS: {tls}");
        }
        let mut next = error.source();
        while let Some(cause) = next {
            if let Some(refused) = cause.downcast_ref::<Refused>() {
                return refused.to_string();
            }
            next = cause.source();
        }
        if error.is_connect() {
            "no connection".to_owned()
        } else {
            "the connection broke before there was an answer".to_owned()
        }
    }
}

/// The generations that sign: the newest, and during a rotation the one before.
fn generations(to: Destination<'_>, now: LogTime) -> Vec<u32> {
    let previous = to.generation.checked_sub(1).filter(|before| *before > 0);
    let previous = previous.filter(|_| to.previous_until.is_some_and(|until| now < until));
    [Some(to.generation), previous]
        .into_iter()
        .flatten()
        .collect()
}

fn judge(status: StatusCode, headers: &HeaderMap) -> Answer {
    let detail = format!("http {}", status.as_u16());
    match status.as_u16() {
        200..300 => Answer::delivered(detail),
        // "The receiver wants no more", by Standard Webhooks.
        410 => Answer::park(detail),
        300..400 => Answer::retry(format!("{detail}: redirects are not followed")),
        429 | 503 => Answer {
            verdict: Verdict::Retry(retry_after(headers)),
            detail,
        },
        _ => Answer::retry(detail),
    }
}

/// The pause that an answer asks for, in seconds; a date is not taken: clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

async fn drain(mut response: Response) {
    let mut read = 0;
    while read <= ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read += chunk.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_rotation_signs_with_both_generations_until_it_ends() {
        let check = |generation, until: Option<i64>, now, expected: &[u32]| {
            let to = Destination {
                route: "r",
                url: "",
                generation,
                previous_until: until.map(LogTime),
            };
            assert_eq!(generations(to, LogTime(now)), expected);
        };
        check(1, None, 5, &[1]);
        check(2, None, 5, &[2]);
        check(2, Some(6), 5, &[2, 1]);
        check(2, Some(6), 6, &[2]);
        check(1, Some(6), 5, &[1]);
    }

    /// What listens speaks no TLS: that is no receiver that is down.
    #[tokio::test]
    async fn a_failure_of_tls_says_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}/", listener.local_addr().expect("it listens"));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(b"HTTP/1.1 400 so\r\n\r\n");
            }
        });
        let mut settings = Settings::default();
        settings.webhook.allow_private_addresses = true;
        let webhooks = Webhooks::new(&settings).expect("a client");
        let sent = webhooks.client.post(&url).send().await;
        let error = sent.expect_err("there is no receiver");
        let reason = webhooks.reason(&error);
        assert!(
            reason.starts_with("no connection by TLS: "),
            "{reason}: {error:?}"
        );
    }

    #[test]
    fn answers_are_judged_by_their_status() {
        let check = |status, after: Option<&'static str>, expected| {
            let mut headers = HeaderMap::new();
            if let Some(after) = after {
                headers.insert(RETRY_AFTER, after.parse().expect("a header"));
            }
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(judge(status, &headers).verdict, expected, "{status}");
        };
        for status in [200, 202, 204] {
            check(status, None, Verdict::Delivered);
        }
        for status in [301, 307, 400, 401, 404, 413, 429, 500, 503] {
            check(status, None, Verdict::Retry(None));
        }
        check(410, None, Verdict::Park);
        let seconds = |n| Verdict::Retry(Some(Duration::from_secs(n)));
        check(429, Some("120"), seconds(120));
        check(503, Some("1"), seconds(1));
        check(500, Some("1"), Verdict::Retry(None));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        check(429, Some(date), Verdict::Retry(None));
        check(429, Some("-1"), Verdict::Retry(None));
    }
}
