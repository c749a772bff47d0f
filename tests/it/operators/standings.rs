//! How a tenant stands, why, and who was told, by command.

use super::{Desk, column, rows};
use crate::limits::{limits, use_up};
use crate::notifications::attempts;
use crate::support::receiver::Receiver;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use serde_json::json;

#[test]
fn an_operator_sees_why_a_tenant_stands_where_it_does_and_who_was_told() {
    let _turn = Turn::light();
    let story = Story::begin();
    let heads = story.decisions();
    use_up(&story.desk.site.publisher(), "acme", 0, 17);
    story.standings();
    story.explains(&heads);
    story.notifications();
}

/// An installation, and a receiver that wants no alerts.
struct Story {
    desk: Desk,
    receiver: Receiver,
    _workers: [Worker; 2],
}

/// Control offsets of the account's versions.
struct Heads {
    in_effect: u64,
    pending: u64,
}

impl Story {
    fn begin() -> Self {
        let receiver = Receiver::start();
        receiver.answer(410);
        let mut site = Site::new("standings");
        for (setting, value) in [
            ("signing_key", "\"0123456789abcdef0123456789abcdef\""),
            ("bundle_window", "\"50ms\""),
            ("webhook.allow_http", "true"),
            ("webhook.allow_private_addresses", "true"),
        ] {
            site.set(&format!("notifications.{setting}"), value);
        }
        site.init(1, "operators");
        let set = ["route", "set", "ops", "--webhook", receiver.url()];
        site.meterline(&set).ok();
        let workers = [site.worker("rollup", &[]), limits(&site, "limits")];
        Self {
            desk: Desk { site },
            receiver,
            _workers: workers,
        }
    }

    /// An account by two people: a version in effect, and one that will be.
    fn decisions(&self) -> Heads {
        let head = || {
            let account = self.desk.json("account get acme");
            account["head"].as_u64().expect("an offset")
        };
        let set = "account set acme --plan small --override requests:limit=20 --actor bob";
        self.desk.says(set, &[]);
        let in_effect = head();
        let set = "account set acme --plan large --at 2099-01-01 --actor carol";
        self.desk.says(set, &[]);
        Heads {
            in_effect,
            pending: head(),
        }
    }

    fn standings(&self) {
        // The alert and the standing come to their tables each by itself.
        let shown = until("the alert and the health of acme", SOON, || {
            let shown = self.desk.json("limits show acme");
            let is_open = !rows(&shown["open_alerts"]).is_empty();
            let is_it = is_open && shown["health"] == "caution";
            is_it.then_some(shown.clone()).ok_or(shown)
        });
        assert_eq!(shown["plan"], "small");
        let alert = &shown["open_alerts"][0];
        assert_eq!(
            (&alert["threshold"], &alert["episode"]),
            (&json!("80%"), &json!(1))
        );
        let listed = until("the standing of acme", SOON, || {
            let listed = self.desk.json("limits list --tenant acme --meter requests");
            let is_it = listed[0]["used"] == "17";
            is_it.then_some(listed.clone()).ok_or(listed)
        });
        for (name, expected) in [
            ("limit", "20"),
            ("unit", "request"),
            ("percentage", "85.0"),
            ("health", "caution"),
            ("cap", "hard"),
            ("plan", "small"),
        ] {
            assert_eq!(listed[0][name], expected, "{name} of {listed}");
        }
        assert!(rows(&self.desk.json("limits list --health critical")).is_empty());
        self.desk
            .refused("limits show acmee", 1, &["did you mean `acme`?"]);
        self.desk
            .refused("limits list --health bad", 2, &["--health"]);
    }

    /// All that the standing rests on, each with its position.
    fn explains(&self, heads: &Heads) {
        let end = self
            .desk
            .site
            .kafka()
            .ends(&self.desk.site.usage_topic(), 0)
            .1;
        let told = until("all usage to be judged", SOON, || {
            let told = self.desk.json("limits explain acme requests");
            let to = told["judged_by"][0]["complete_to"].as_str();
            let to = to.and_then(|to| to.rsplit(' ').next()?.parse::<i64>().ok());
            let is_all = to.is_some_and(|to| to >= end - 1);
            is_all.then_some(told.clone()).ok_or(told)
        });
        let is = |part: &str, name: &str, expected: &str| {
            assert_eq!(told[part][name], expected, "{part}.{name} of {told:#}");
        };
        let (in_effect, pending) = (heads.in_effect, heads.pending);
        is("subject", "tenant", "acme");
        is("subject", "plan", "small");
        let account = told["subject"]["account"].as_str().expect("a text");
        let version = format!("control offset {in_effect}, in effect since ");
        assert!(
            account.starts_with(&version) && account.ends_with(", by bob"),
            "{account}"
        );
        is("plan_row", "limit", "10 request");
        is("plan_row", "thresholds", "80% warning, 100% critical");
        is("override", "limit", "20 request");
        is("terms", "limit", "20 request");
        is("terms", "cap", "hard");
        is("period", "why", "every calendar month, UTC");
        is("use", "by_buckets", "17 request");
        is("use", "by_standing", "17 request");
        is("use", "of", "20 request");
        is("use", "percentage", "85.0");
        is("use", "health", "caution");

        let values = column(&told["buckets"], "value").into_iter();
        let values = values.map(|value| value.parse::<u32>().expect("whole"));
        assert_eq!(values.sum::<u32>(), 17, "of one hour or of two");
        let last = column(&told["buckets"], "stamp").pop().expect("a bucket");
        assert!(
            last.ends_with(&format!(", offset {}", end - 1)),
            "{last} of {end}"
        );
        let judged = &told["judged_by"];
        let changes = column(judged, "last_change");
        let control = |offset: u64| format!("offset {offset}");
        assert!(column(judged, "log")[0].starts_with("usage 0 of "));
        assert_eq!(changes[0], last, "up to the last event");
        assert_eq!(
            column(judged, "log")[1..],
            ["catalog", "account", "account in effect"]
        );
        assert_eq!(changes[2..], [control(pending), control(in_effect)]);

        let thresholds = &told["thresholds"];
        assert_eq!(column(thresholds, "threshold")[..2], ["80%", "100%"]);
        assert_eq!(column(thresholds, "severity")[..2], ["warning", "critical"]);
        assert_eq!(column(thresholds, "by_buckets")[..2], ["reached", "below"]);
        assert_eq!(column(thresholds, "state")[..2], ["open", "closed"]);
        assert_eq!(
            (&told["check"]["allowed"], &told["check"]["reason"]),
            (&json!(true), &json!("within"))
        );
        is("check", "remaining", "3 request");
        let beyond = self.desk.json("limits explain acme requests --wanted 4");
        assert_eq!(beyond["check"]["reason"], "hard_cap");
        assert!(beyond["check"]["retry_after"].is_string(), "{beyond:#}");
        self.desk.says(
            "limits explain acme requests",
            &["plan row", "20 request", "offset"],
        );

        self.desk.refused(
            "limits explain acme request",
            1,
            &["did you mean `requests`?"],
        );
        self.desk.refused(
            "limits explain acmee requests",
            1,
            &["did you mean `acme`?"],
        );
        self.desk.refused(
            "limits explain acme requests --wanted=-1",
            2,
            &["below zero"],
        );
    }

    /// The receiver wanted nothing; now it does.
    fn notifications(&self) {
        let list = "limits notifications list --parked";
        let parked = until("the alert to be parked", SOON, || {
            let parked = self.desk.json(list);
            (!rows(&parked).is_empty())
                .then_some(parked)
                .ok_or("nothing")
        });
        assert_eq!(rows(&parked).len(), 1, "{parked}");
        for (name, expected) in [
            ("route", "ops"),
            ("outcome", "parked"),
            ("detail", "http 410"),
        ] {
            assert_eq!(parked[0][name], expected, "{name} of {parked}");
        }
        let id = parked[0]["notification"].as_str().expect("an id");
        let replay = "limits notifications replay";
        let unknown = "0".repeat(32);
        self.desk
            .refused(&format!("{replay} 12"), 2, &["32 hexadecimal digits"]);
        self.desk
            .refused(&format!("{replay} {unknown}"), 1, &["no attempt", &unknown]);
        self.desk
            .refused(&format!("{replay} {id} --route other"), 1, &["no attempt"]);

        self.receiver.answer(204);
        self.desk.says(
            &format!("{replay} {id} --actor dora --note mended"),
            &["asked for again: 1"],
        );
        let outcomes = until("the replay to be delivered", SOON, || {
            let rows = attempts(&self.desk.site, id);
            let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].clone()).collect();
            (outcomes.len() == 3)
                .then_some(rows)
                .ok_or(format!("{outcomes:?}"))
        });
        let outcomes = json!(outcomes);
        assert_eq!(
            column(&outcomes, "outcome"),
            ["parked", "requested", "delivered"]
        );
        assert_eq!(outcomes[1]["instance"], "dora");
        assert_eq!(outcomes[1]["detail"], "mended");
        let told: Vec<_> = self
            .receiver
            .alerts()
            .iter()
            .map(|it| it["id"].clone())
            .collect();
        assert_eq!(told, [id, id], "both attempts were of one alert");
        assert!(
            rows(&self.desk.json(list)).is_empty(),
            "nothing is parked any more"
        );
        self.desk.refused(
            &format!("{replay} --parked"),
            1,
            &["no notification is parked"],
        );
    }
}
