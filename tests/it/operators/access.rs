//! Routes and keys by command: who is told, and who may ask.

use super::{Desk, column, rows};
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use reqwest::blocking::Client;

/// An installation with an API.
struct Access {
    desk: Desk,
    url: String,
}

/// An installation with two accounts, and what webhooks need.
fn site(name: &str) -> Site {
    let mut site = Site::new(name);
    let key = "\"0123456789abcdef0123456789abcdef\"";
    site.set("notifications.signing_key", key);
    site.init(1, "operators");
    for tenant in ["acme", "other"] {
        let open = ["account", "set", tenant, "--plan", "small"];
        site.meterline(&open).ok();
    }
    site
}

#[test]
fn an_operator_makes_and_ends_routes() {
    let _turn = Turn::light();
    let site = site("routes");
    Desk { site }.routes();
}

#[test]
fn an_operator_makes_and_ends_keys() {
    let _turn = Turn::light();
    let site = site("keys");
    let (_api, address) = site.api("api", &[]);
    let access = Access {
        desk: Desk { site },
        url: format!("http://{address}/v1/accounts"),
    };
    access.keys();
}

impl Desk {
    fn routes(&self) {
        let hook = "route set ops --webhook https://ops.example.com/hook --severity warning";
        self.says(
            hook,
            &[
                "route ops is in force",
                "webhook https://ops.example.com/hook",
            ],
        );
        self.says(hook, &["stays as it is"]);
        let topic = "route set billing --kafka billing.alerts --account acme --meter requests";
        self.says(topic, &["Kafka topic billing.alerts"]);
        let listed = self.json("route list");
        assert_eq!(column(&listed, "id"), ["billing", "ops"]);
        assert_eq!(column(&listed, "account"), ["acme", "all"]);
        assert_eq!(column(&listed, "meters"), ["requests", "all"]);
        assert_eq!(column(&listed, "severity"), ["info", "warning"]);
        let shown = self.json("route show ops");
        assert_eq!(shown["severity"], "warning");
        let head = shown["head"].as_u64().expect("an offset");

        let secret = self.printed("route secret ops");
        assert!(secret.starts_with("whsec_"), "{secret}");
        let next = self.printed("route rotate ops --keep-old 1h");
        assert_ne!(next, secret);
        assert_eq!(self.printed("route secret ops"), next);
        assert_eq!(self.printed("route secret ops --generation 1"), secret);
        self.says(
            "route show ops",
            &["generation 2, and the one before it until"],
        );
        let log = self.printed("route list");
        assert!(!log.contains(&secret) && !log.contains(&next), "{log}");

        self.says("route remove billing", &["route billing is off"]);
        assert_eq!(column(&self.json("route list"), "id"), ["ops"]);
        assert_eq!(
            column(&self.json("route list --all"), "enabled"),
            ["false", "true"]
        );

        let stale = format!("route set ops --severity info --head {head}");
        self.refused(&stale, 1, &["was first", "ops"]);
        self.refused(
            "route show op",
            1,
            &["no route `op`", "did you mean `ops`?"],
        );
        self.refused(
            "route set more",
            2,
            &["--webhook, --email, --contacts or --kafka"],
        );
        let of = "route set more --kafka more.alerts";
        self.refused(
            &format!("{of} --meter request"),
            1,
            &["did you mean `requests`?"],
        );
        self.refused(
            &format!("{of} --account acmee"),
            1,
            &["did you mean `acme`?"],
        );
        let own = self.site.usage_topic();
        self.refused(&format!("route set more --kafka {own}"), 1, &[&own]);
        for private in [
            "http://ops.example.com/",
            "https://127.0.0.1/",
            "https://localhost/",
        ] {
            self.refused(
                &format!("route set more --webhook {private}"),
                1,
                &["is refused"],
            );
        }
        self.refused(
            "route set more --email ops@example.com",
            1,
            &["notifications.smtp"],
        );
        assert_eq!(
            rows(&self.json("route list --all")).len(),
            2,
            "nothing was made"
        );
    }
}

impl Access {
    /// What the API answers to a token, of the account of a tenant.
    fn status(&self, token: &str, tenant: &str) -> u16 {
        let request = Client::new().get(format!("{}/{tenant}", self.url));
        let answer = request.bearer_auth(token).send();
        answer.expect("the API answers").status().as_u16()
    }

    /// Decisions reach the API within seconds.
    fn wait_status(&self, token: &str, expected: u16) {
        until(&format!("status {expected}"), SOON, || {
            let status = self.status(token, "acme");
            (status == expected).then_some(()).ok_or(status)
        });
    }

    fn keys(&self) {
        let desk = &self.desk;
        let first = desk.printed("key create --role read --tenant acme --name console");
        let id = first
            .split('_')
            .nth(1)
            .expect("mlk_<id>_<secret>")
            .to_owned();
        self.wait_status(&first, 200);
        assert_eq!(self.status(&first, "other"), 404, "of another tenant");
        let listed = desk.json("key list --tenant acme");
        let row = &listed[0];
        for (name, expected) in [
            ("id", id.as_str()),
            ("name", "console"),
            ("roles", "read"),
            ("tenants", "acme"),
            ("state", "active"),
        ] {
            assert_eq!(row[name], expected, "{name} of {listed}");
        }
        assert!(rows(&desk.json("key list --tenant other")).is_empty());
        assert!(!listed.to_string().contains(&first));

        let second = desk.printed(&format!("key rotate {id} --keep-old 1h"));
        self.wait_status(&second, 200);
        assert_eq!(self.status(&first, "acme"), 200, "for an hour");
        assert!(desk.json("key list")[0]["old_token_until"].is_string());
        let third = desk.printed(&format!("key rotate {id}"));
        self.wait_status(&third, 200);
        for old in [&first, &second] {
            assert_eq!(self.status(old, "acme"), 401, "there is a newer one");
        }
        desk.says(
            &format!("key revoke {id}"),
            &["is revoked", "within seconds"],
        );
        self.wait_status(&third, 401);
        assert!(rows(&desk.json("key list")).is_empty());
        assert_eq!(column(&desk.json("key list --all"), "state"), ["revoked"]);

        desk.refused(
            &format!("key rotate {id}"),
            1,
            &["is revoked; make a new one"],
        );
        desk.refused("key revoke 000000000000", 1, &["there is no key"]);
        desk.refused("key create --role read --name x", 2, &["--tenant"]);
        let star = "key create --role read --name x --tenant *";
        desk.refused(star, 2, &["--all-tenants"]);
        desk.refused(
            "key create --role reader --all-tenants --name x",
            2,
            &["reader"],
        );
        let past = "key create --role read --all-tenants --name x --expires 2001-01-01";
        desk.refused(past, 2, &["in the past"]);
        let said = desk.refused(&format!("key revoke {third}"), 2, &["not its token"]);
        assert!(!said.contains(&third), "the token is repeated: {said}");
        assert_eq!(
            rows(&desk.json("key list --all")).len(),
            1,
            "no other was made"
        );
    }
}
