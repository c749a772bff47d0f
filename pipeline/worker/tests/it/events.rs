//! Events of the tests, and what they must come to by a plain recount.

use crate::site::Site;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// A counter and a sum, both by model.
pub(crate) const CATALOG: &str = "
catalog: test
fold: 1
meters:
  calls:
    description: Calls
    unit: call
    event_type: call
    aggregation: count
  tokens:
    description: Tokens
    unit: token
    event_type: call
    value: tokens
    aggregation: sum
    group_by: [model]
";

/// Events that are made up from a number, and their recount.
#[derive(Default)]
pub(crate) struct Events {
    records: Vec<(String, String)>,
    /// Events and tokens by tenant and hour.
    hours: BTreeMap<(String, i64), (u64, u64)>,
    /// Dead letters by reason.
    letters: BTreeMap<&'static str, u64>,
    duplicates: u64,
    made: u64,
}

impl Events {
    /// Adds that many records: every 50th a duplicate, every 100th broken.
    pub(crate) fn add(&mut self, count: u64) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = i64::try_from(now.unwrap().as_secs()).unwrap();
        for _ in 0..count {
            self.made += 1;
            let n = self.made;
            let tenant = format!("tenant-{}", n % 37);
            let time = now - i64::try_from(n * 7_919 % 20_000).unwrap();
            if n % 100 == 7 {
                self.add_broken(n, tenant, time);
                continue;
            }
            let tokens = n % 1_000;
            let value = event(n, &tenant, time, &tokens.to_string());
            if n % 50 == 3 {
                self.duplicates += 1;
                self.records.push((tenant.clone(), value.clone()));
            }
            self.records.push((tenant.clone(), value));
            let hour = self
                .hours
                .entry((tenant, time / 3_600 * 3_600))
                .or_default();
            *hour = (hour.0 + 1, hour.1 + tokens);
        }
    }

    fn add_broken(&mut self, n: u64, tenant: String, time: i64) {
        let (reason, value) = match n % 300 {
            7 => ("malformed", "{".to_owned()),
            107 => ("bad_quantity", event(n, &tenant, time, "\"many\"")),
            _ => (
                "no_meter",
                event(n, &tenant, time, "1").replace("\"call\"", "\"other\""),
            ),
        };
        *self.letters.entry(reason).or_default() += 1;
        self.records.push((tenant, value));
    }

    /// Takes the records that were not taken yet.
    pub(crate) fn take(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.records)
    }

    /// Compares everything that is in ClickHouse with the recount.
    pub(crate) async fn check(&self, site: &Site) {
        let sql = "SELECT tenant, toInt64(toUnixTimestamp(window_start)) AS start, events, \
                   toUInt64(value) AS tokens FROM usage_hourly WHERE meter = 'tokens'";
        let sum =
            format!("SELECT tenant, start, sum(events), sum(tokens) FROM ({sql}) GROUP BY 1, 2");
        let rows: Vec<(String, i64, u64, u64)> = site.rows(&sum).await;
        let hours: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(tenant, start, events, tokens)| ((tenant, start), (events, tokens)))
            .collect();
        assert_eq!(hours, self.hours);
        let (events, tokens) = self
            .hours
            .values()
            .fold((0, 0), |(e, t), hour| (e + hour.0, t + hour.1));
        for view in ["usage_hourly", "usage_daily", "usage_monthly"] {
            for (meter, value) in [("calls", events), ("tokens", tokens)] {
                let sql = format!(
                    "SELECT sum(events), toUInt64(sum(value)) FROM {view} WHERE meter = '{meter}'"
                );
                let rows: Vec<(u64, u64)> = site.rows(&sql).await;
                assert_eq!(rows, [(events, value)], "{meter} in {view}");
            }
        }
        self.check_letters(site).await;
        let sql = "SELECT sum(accepted), sum(duplicate) FROM progress FINAL";
        let rows: Vec<(u64, u64)> = site.rows(sql).await;
        assert_eq!(rows, [(events, self.duplicates)]);
    }

    async fn check_letters(&self, site: &Site) {
        let sql = "SELECT toString(reason), count() FROM dead_letters FINAL GROUP BY 1";
        let rows: Vec<(String, u64)> = site.rows(sql).await;
        let letters: BTreeMap<_, _> = rows.into_iter().collect();
        let expected = self
            .letters
            .iter()
            .map(|(reason, n)| ((*reason).to_owned(), *n));
        assert_eq!(letters, expected.collect());
    }
}

fn event(n: u64, tenant: &str, time: i64, tokens: &str) -> String {
    let model = n % 3;
    // Seconds since the epoch as RFC 3339, by ClickHouse's own rules: days, then the clock.
    let (days, seconds) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"e-{n}\",\"source\":\"test\",\"type\":\"call\",\
         \"subject\":\"{tenant}\",\
         \"time\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z\",\
         \"data\":{{\"tokens\":{tokens},\"model\":\"m{model}\"}}}}"
    )
}

/// Year, month and day of a number of days since 1970-01-01.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}
