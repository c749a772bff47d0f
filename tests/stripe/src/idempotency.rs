//! Idempotency keys.
//!
//! "Stripe's idempotency works by saving the resulting status code and body of the first request
//! made for any given idempotency key, regardless of whether it succeeds or fails. Subsequent
//! requests with the same key return the same result, including `500` errors." Keys may be removed
//! "after they're at least 24 hours old"; here they are, at once. "The idempotency layer compares
//! incoming parameters to those of the original request and errors if they're not the same." "If
//! incoming parameters fail validation, or the request conflicts with another request that's
//! executing concurrently, we don't save the idempotent result." "All `POST` requests accept
//! idempotency keys." (<https://docs.stripe.com/api/idempotent_requests>)

use crate::refusal::Refusal;
use crate::request::{Answer, Request};
use crate::settings::DAY;
use std::collections::{HashMap, VecDeque};

/// "Idempotency keys are up to 255 characters long."
const LENGTH_MAX: usize = 255;

#[derive(Debug)]
struct Remembered {
    method_and_path: String,
    body: String,
    /// `None` while the first request is in work.
    answer: Option<Answer>,
}

/// The keys that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    remembered: HashMap<String, Remembered>,
    forgotten_at: VecDeque<(i64, String)>,
}

impl Keys {
    pub(crate) fn forget(&mut self, now: i64) {
        while let Some((at, _)) = self.forgotten_at.front()
            && *at <= now
        {
            if let Some((_, key)) = self.forgotten_at.pop_front() {
                self.remembered.remove(&key);
            }
        }
    }

    /// Takes the key of a request; `Some` is the answer that it already has.
    pub(crate) fn take(&mut self, request: &Request) -> Result<Option<Answer>, Refusal> {
        let Some(key) = key_of(request) else {
            return Ok(None);
        };
        if key.len() > LENGTH_MAX {
            return Err(Refusal::bad(
                "Idempotency keys are up to 255 characters long.",
            ));
        }
        let method_and_path = format!("{} {}", request.method, request.path);
        match self.remembered.get(key) {
            None => {
                let remembered = Remembered {
                    method_and_path,
                    body: request.body.clone(),
                    answer: None,
                };
                self.remembered.insert(key.to_owned(), remembered);
                Ok(None)
            }
            Some(first)
                if (&first.method_and_path, &first.body) != (&method_and_path, &request.body) =>
            {
                Err(Refusal::key_reused(key))
            }
            Some(first) => match first.answer.clone() {
                None => Err(Refusal::key_in_use(key)),
                Some(mut answer) => {
                    answer.add_header("idempotent-replayed", "true");
                    Ok(Some(answer))
                }
            },
        }
    }

    /// Keeps the answer of a request that took its key, or frees the key if none is to be kept.
    pub(crate) fn settle(&mut self, request: &Request, now: i64, answer: Option<&Answer>) {
        let Some(key) = key_of(request) else {
            return;
        };
        let kept = answer.filter(|answer| answer.status < 400 || answer.status >= 500);
        match (kept, self.remembered.get_mut(key)) {
            (Some(answer), Some(remembered)) => {
                remembered.answer = Some(answer.clone());
                self.forgotten_at.push_back((now + DAY, key.to_owned()));
            }
            _ => {
                self.remembered.remove(key);
            }
        }
    }
}

fn key_of(request: &Request) -> Option<&str> {
    let key = request.idempotency_key.as_deref();
    key.filter(|_| request.method == "POST")
}
