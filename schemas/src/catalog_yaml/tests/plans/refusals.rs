//! Every line of what the reader refuses of plans.

use super::super::refused;
use super::with_plans;

#[test]
fn plans_are_refused_by_form() {
    refused(
        &with_plans(
            "units:
  calls: {name: K, ratio: a lot}
  size: {ratio: 1}
health: {cautious: 75}
derived:
  sum: {terms: {calls: much}}
plans:
  one:
    titel: One
    cap: firm
    grace: {for: 1500ms, up_to: x}
    alerts:
      - {at: 80}
      - {at: 80, above: 100, severity: warning}
      - {at: 90, severity: wraning}
    meters:
      calls: {limit: infinite}
      size: {limit: 1, included: unlimited, price: {per: 1}, reset: week, zone: mars}
",
        ),
        &[
            "c.yaml:8: units.calls.ratio: `a lot` is not a decimal number",
            "c.yaml:9: units.size: `name` is missing",
            "c.yaml:10: health: unknown key `cautious`: did you mean `caution`?",
            "c.yaml:12: derived.sum: `unit` is missing",
            "c.yaml:12: derived.sum.terms.calls: `much` is not a decimal number",
            "c.yaml:15: plans.one: unknown key `titel`: did you mean `title`?",
            "c.yaml:16: plans.one.cap: `firm` is unknown: known are none, soft, hard",
            "c.yaml:17: plans.one.grace.for: `1500ms` is no whole number of seconds",
            "c.yaml:17: plans.one.grace.up_to: `x` is not a decimal number",
            "c.yaml:19: plans.one.alerts[0]: `severity` is missing",
            "c.yaml:20: plans.one.alerts[1]: needs one of `at` and `above`",
            "c.yaml:21: plans.one.alerts[2].severity: `wraning` is unknown: did you mean `warning`?",
            "c.yaml:23: plans.one.meters.calls.limit: `infinite` is neither a number nor \
             `unlimited`",
            "c.yaml:24: plans.one.meters.size.included: `unlimited` is not a decimal number",
            "c.yaml:24: plans.one.meters.size.reset: `week` is unknown: known are hour, day, \
             month, billing_month",
            "c.yaml:24: plans.one.meters.size.zone: `mars` is unknown: known are utc, account",
            "c.yaml:24: plans.one.meters.size.price: `amount` is missing",
        ],
    );
}

#[test]
fn a_meter_that_says_nothing_is_refused() {
    refused(
        &with_plans(
            "plans:
  one:
    meters:
      calls: {reset: day}
      size:
        included: 1
        cap: soft
        grace: {}
",
        ),
        &[
            "c.yaml:10: plans.one.meters.calls: says nothing: write `included`, `limit` (a number \
             or `unlimited`) or `price`",
            "c.yaml:13: plans.one.meters.size.cap: needs a limit beside it; write `limit: \
             unlimited` where only accounts' overrides set one",
            "c.yaml:14: plans.one.meters.size.grace: needs a limit beside it; write `limit: \
             unlimited` where only accounts' overrides set one",
        ],
    );
}

#[test]
fn problems_of_plans_have_their_line_and_the_file_s_path() {
    refused(
        &with_plans(
            "currency: dollars
default_plan: ones
units:
  sizes: {name: GB, ratio: 0}
derived:
  calls:
    unit: x
    terms:
      calls: 1
      size: -2
health:
  caution: 95
plans:
  One:
    base: -1
    meters:
      call:
        limit: 1
      mean: {limit: 1}
      size:
        limit: -5
        included: 3
        price:
          amount: -1
          per: 0
      calls:
        limit: 1
        grace:
          for: 40d
          up_to: 90
        alerts:
          - {at: 80, severity: info}
          - at: 70.1234
            severity: info
            kind: Alert
",
        ),
        &[
            "c.yaml:7: currency: `dollars` is no ISO 4217 code: three capital letters, such as USD",
            "c.yaml:8: default_plan: `ones` is no plan: did you mean `One`?",
            "c.yaml:10: units.sizes: `sizes` is no meter: did you mean `size`?",
            "c.yaml:10: units.sizes.ratio: is 0, but must be above 0",
            "c.yaml:12: derived.calls: `calls` is the name of a meter already",
            "c.yaml:16: derived.calls.terms.size: is -2, below zero",
            "c.yaml:16: derived.calls.terms.size: mixes flows and levels: what adds up over a \
             period and what holds until it changes have no common sum",
            "c.yaml:17: health.warning: is 90, below the 95 of `health.caution`",
            "c.yaml:20: plans.One: `One` is no name: a lowercase letter, then lowercase letters, \
             digits and underscores, 64 bytes at most",
            "c.yaml:21: plans.One.base: is below zero",
            "c.yaml:23: plans.One.meters.call: `call` is no meter: did you mean `calls`?",
            "c.yaml:25: plans.One.meters.mean: `mean` cannot be limited: a mean does not say how \
             much was used; limit a `sum`, `count`, `max` or `latest`",
            "c.yaml:27: plans.One.meters.size.limit: is below zero",
            "c.yaml:28: plans.One.meters.size.included: is above the limit: it could never be \
             used up",
            "c.yaml:30: plans.One.meters.size.price.amount: is below zero",
            "c.yaml:31: plans.One.meters.size.price.per: is 0, but must be above 0",
            "c.yaml:34: plans.One.meters.calls.grace: is of a soft cap only: write `cap: soft` \
             and a limit, or drop the grace",
            "c.yaml:35: plans.One.meters.calls.grace.for: is 3456000 seconds, not within 1 second \
             to 31 days: every period starts clean",
            "c.yaml:36: plans.One.meters.calls.grace.up_to: is 90, but must be above 100: up to \
             the limit no grace is needed",
            "c.yaml:39: plans.One.meters.calls.alerts[1].at: is 70.1234, with more than three \
             decimals",
            "c.yaml:39: plans.One.meters.calls.alerts[1].at: 70.1234 % follows 80 %: the shares \
             must rise, \"at\" before \"above\"",
            "c.yaml:41: plans.One.meters.calls.alerts[1].kind: `Alert` is no kind of alert: a \
             lowercase letter, then lowercase letters, digits, dots and underscores, 64 bytes at \
             most",
        ],
    );
}

#[test]
fn what_a_plan_writes_once_is_refused_once_at_its_line() {
    refused(
        &with_plans(
            "plans:
  one:
    cap: soft
    grace: {up_to: 50}
    alerts:
      - {at: 90, severity: info}
      - {at: 80, severity: info}
    meters:
      calls: {limit: 1}
      size: {limit: 1}
",
        ),
        &[
            "c.yaml:10: plans.one.grace.up_to: is 50, but must be above 100: up to the limit no \
             grace is needed",
            "c.yaml:13: plans.one.alerts[1].at: 80 % follows 90 %: the shares must rise, \"at\" \
             before \"above\"",
        ],
    );
}

#[test]
fn what_no_meter_takes_from_its_plan_is_refused() {
    refused(
        &with_plans(
            "plans:
  one:
    cap: soft
    grace: {}
    meters:
      calls: {included: 1}
      size: {limit: 1, cap: soft, grace: {}}
",
        ),
        &[
            "c.yaml:9: plans.one.cap: holds for no meter: none that has a limit takes it from \
             the plan",
            "c.yaml:10: plans.one.grace: holds for no meter: none that has a soft cap takes it \
             from the plan",
        ],
    );
}
