//! Two operators import the same accounts at once: one wins each of them, and the other is shown
//! both versions.

use super::{column, rows};
use crate::support::process::Ended;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Accounts of a file: two batches, so that the imports meet in more than one place.
const ACCOUNTS: usize = 1_500;

#[test]
fn imports_that_race_show_both_versions() {
    let _turn = Turn::light();
    let site = Site::new("races");
    site.init(1, "operators");
    let mut round = 0;
    // Which process is faster is chance: accounts are raced for until both have won some.
    let conflicts = until("a conflict", SOON, || {
        round += 1;
        let conflicts = race(&site, round);
        (!conflicts.is_empty())
            .then_some(conflicts)
            .ok_or("none yet")
    });
    let plan = |text: &str| {
        let words = ["plan small", "plan large"];
        let plans: Vec<_> = words
            .into_iter()
            .filter(|plan| text.contains(plan))
            .collect();
        assert_eq!(plans.len(), 1, "one plan in {text}");
        plans[0].to_owned()
    };
    for (loser, detail) in conflicts {
        let (first, both) = detail
            .split_once(" was first; in force (control offset ")
            .unwrap_or_else(|| panic!("{detail}"));
        assert_ne!(first, loser, "{detail}");
        let (in_force, yours) = both.split_once("; yours: ").expect("two versions");
        assert_eq!(
            (plan(in_force), plan(yours)),
            (format!("plan {first}"), format!("plan {loser}"))
        );
        for side in [in_force, yours] {
            assert!(side.contains("status active"), "{detail}");
        }
    }
}

/// Both import new accounts at once, each for its own plan, by which it is called. Gives who lost
/// with what was said of it; each account is as its winner says.
fn race(site: &Site, round: usize) -> Vec<(&'static str, String)> {
    let imported = std::thread::scope(|scope| {
        let runs = ["small", "large"].map(|plan| scope.spawn(move || import(site, round, plan)));
        runs.map(|run| run.join().expect("an import runs to its end"))
    });
    let mut conflicts = Vec::new();
    let mut winners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (plan, ended) in ["small", "large"].into_iter().zip(imported) {
        let results: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(rows(&results).len(), ACCOUNTS, "{ended}");
        let lost = rows(&results)
            .iter()
            .filter(|row| row["result"] == "conflict");
        let lost: Vec<_> = column(&lost.cloned().collect(), "detail");
        assert_eq!(ended.code, i32::from(!lost.is_empty()), "{}", ended.stderr);
        conflicts.extend(lost.into_iter().map(|detail| (plan, detail)));
        for row in rows(&results)
            .iter()
            .filter(|row| row["result"] == "written")
        {
            let account = row["account"].as_str().expect("a text").to_owned();
            winners.entry(account).or_default().push(plan);
        }
    }
    let listed = site.json(&["account", "list", "--all"]);
    let plans = column(&listed, "account")
        .into_iter()
        .zip(column(&listed, "plan"));
    for (account, plan) in plans.filter(|(account, _)| account.starts_with(&format!("r{round}-"))) {
        let won = &winners[&account];
        assert!(
            won.contains(&plan.as_str()),
            "{account} is on {plan}, by {won:?}"
        );
    }
    assert_eq!(winners.len(), ACCOUNTS);
    conflicts
}

fn import(site: &Site, round: usize, plan: &str) -> Ended {
    let mut text = "account,plan\n".to_owned();
    for n in 0..ACCOUNTS {
        writeln!(text, "r{round}-{n},{plan}").expect("a text takes everything");
    }
    let file = site.folder().join(format!("{plan}-{round}.csv"));
    std::fs::write(&file, text).expect("a file can be written");
    let path = file.to_str().expect("paths are text");
    let words = [
        "account", "import", path, "--actor", plan, "--output", "json",
    ];
    site.meterline(&words)
}
