//! Accounts by command: opened, changed, imported and traced; and conflicts, with both versions.

use super::{Desk, column, rows};
use crate::support::site::Site;
use crate::support::turn::Turn;
use serde_json::{Value, json};

#[test]
fn an_operator_opens_and_changes_accounts() {
    let _turn = Turn::light();
    let site = Site::new("accounts");
    site.init(1, "operators");
    let desk = Desk { site };
    desk.versions();
    desk.imports();
}

impl Desk {
    /// Three versions of an account by three people, the last of which takes effect in the future.
    fn versions(&self) {
        let head = || {
            self.json("account get acme")["head"]
                .as_u64()
                .expect("an offset")
        };
        let first = "account set acme --plan small --name Acme --start 2026-01-31 --contact \
                     ops@acme.example --actor alice --note signed";
        self.says(
            first,
            &["account acme is new; control offset", "plan small"],
        );
        let opened = head();
        let raise = "account set acme --override requests:limit=20 --actor bob --note trial";
        self.says(raise, &["is in effect", "requests.limit 20 request"]);
        let in_effect = head();
        let later = "account set acme --plan large --at 2099-01-01 --running restart --actor carol";
        self.says(later, &["takes effect at 2099-01-01", "plan small → large"]);
        let pending = head();
        self.says(later, &["stays as it is"]);

        let lost = format!("account set acme --plan small --status suspended --head {opened}");
        let in_force = format!("in force (control offset {pending}):\n    ");
        let both = [
            "carol was first",
            &in_force,
            "plan large",
            "yours:",
            "status suspended",
        ];
        self.refused(&lost, 1, &both);
        assert_eq!(head(), pending, "nothing was written");

        let account = self.json("account get acme");
        assert_eq!(account["in_effect"]["offset"], in_effect);
        assert_eq!(account["in_effect"]["terms"]["plan"], "small");
        let limit = &account["in_effect"]["terms"]["overrides"]["requests"]["limit"];
        assert_eq!(*limit, json!({"at": "20"}));
        assert_eq!(account["pending"][0]["running"], "restart");
        let text = [
            "contacts   ops@acme.example",
            "from 2099-01-01",
            "plan small → large",
        ];
        self.says("account get acme", &text);

        let history = self.json("account history acme");
        let field = |name: &str| column(&history, name);
        assert_eq!(field("actor"), ["carol", "bob", "alice"]);
        assert_eq!(field("note"), ["", "trial", "signed"]);
        assert_eq!(field("running"), ["restart", "keep", "keep"]);
        assert_eq!(
            field("changes")[..2],
            ["plan small → large", "requests.limit 20 request"]
        );
        assert!(field("origin").iter().all(|host| !host.is_empty()));
        let offsets: Vec<_> = rows(&history)
            .iter()
            .map(|row| row["offset"].as_u64())
            .collect();
        assert_eq!(offsets, [pending, in_effect, opened].map(Some));

        self.refused("account get acmee", 1, &["`acmee`", "did you mean `acme`?"]);
        self.refused("account history acmee", 1, &["did you mean `acme`?"]);
        let wrong = "account set beta --plan smal";
        self.refused(wrong, 1, &["`smal` is no plan", "did you mean `small`?"]);
        let wrong = "account set acme --override request:limit=1";
        self.refused(wrong, 2, &["overrides.request", "did you mean `requests`?"]);
        self.refused(
            "account set acme --override requests:limit=-1",
            1,
            &["requests.limit"],
        );
        self.refused("account set acme", 2, &["nothing to set"]);
    }

    /// A file with a line that is wrong: the others are written, once.
    fn imports(&self) {
        let file = self.site.folder().join("accounts.csv");
        let write = |plan: &str| {
            let text = format!("account,plan,overrides\nbeta,small,\ngamma,{plan},\n");
            std::fs::write(&file, text).expect("a file can be written");
        };
        let import = |options: &[&str], code: i32| -> Vec<(String, String)> {
            let path = file.to_str().expect("paths are text");
            let words = [&["account", "import", path, "--output", "json"], options].concat();
            let ended = self.site.meterline(&words).with_code(code);
            let table: Value = serde_json::from_str(&ended.stdout).expect("JSON");
            let [results, details] = ["result", "detail"].map(|name| column(&table, name));
            results.into_iter().zip(details).collect()
        };
        let of = |result: &str, detail: &str| (result.to_owned(), detail.to_owned());
        write("smal");
        let wrong = of(
            "refused",
            "plan: `smal` is no plan of the catalog: did you mean `small`?",
        );
        assert_eq!(import(&["--dry-run"], 1), [of("fine", ""), wrong.clone()]);
        self.refused("account get beta", 1, &["there is no account `beta`"]);
        assert_eq!(import(&[], 1), [of("written", ""), wrong]);
        write("large");
        let again = import(&["--verbose", "--actor", "dora"], 0);
        assert_eq!(again, [of("unchanged", ""), of("written", "")]);
        let listed = self.json("account list");
        assert_eq!(column(&listed, "account"), ["acme", "beta", "gamma"]);
        assert_eq!(column(&listed, "plan"), ["small", "small", "large"]);
        assert_eq!(listed[0]["pending"], 1);
        let large = self.json("account list --plan large --after acme --limit 1");
        assert_eq!(column(&large, "account"), ["gamma"]);
        assert!(rows(&self.json("account list --status suspended")).is_empty());
    }
}
