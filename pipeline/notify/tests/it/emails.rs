//! E-mail through a real mail server, with STARTTLS and a user.

use crate::TIMEOUT;
use crate::log::{Log, settings};
use crate::routes::Routes;
use meterline_clickhouse::Secret;
use meterline_core::account::Target;
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_notify::{Settings, SmtpSettings, SmtpTls};
use meterline_stack::{PASSWORD, Parts, Service, Stack, USER};
use serde_json::Value;
use std::sync::{Arc, Mutex, Weak};

fn stack() -> Arc<Stack> {
    static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
    Stack::running(&RUNNING, Parts::only(Service::Smtp))
}

/// Settings of the mail server, changed.
fn smtp(stack: &Stack, change: impl FnOnce(&mut SmtpSettings)) -> Settings {
    let mut smtp = SmtpSettings::new("127.0.0.1", "Meterline <alerts@meterline.example>");
    smtp.port = stack.smtp_port();
    smtp.user = USER.to_owned();
    smtp.password = Secret::new(PASSWORD);
    smtp.ca_file = Some(stack.ca_file());
    change(&mut smtp);
    Settings {
        smtp: Some(smtp),
        ..settings()
    }
}

/// E-mails that hold this text.
fn mails(stack: &Stack, text: &str) -> Vec<Value> {
    let folder = stack.folder().join("mails");
    let files = std::fs::read_dir(folder).expect("the server has a folder");
    let paths = files.map(|file| file.expect("a file").path());
    let whole = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let read = whole.map(|path| std::fs::read_to_string(path).expect("it is whole"));
    let found = read.filter(|mail| mail.contains(text));
    found
        .map(|mail| serde_json::from_str(&mail).expect("JSON"))
        .collect()
}

fn header(mail: &Value, name: &str) -> Vec<String> {
    let headers = mail["headers"].as_array().expect("headers");
    let named = headers.iter().filter(|header| header[0] == name);
    named
        .map(|header| header[1].as_str().expect("text").to_owned())
        .collect()
}

fn email(to: &[&str]) -> Target {
    Target::Email {
        to: to.iter().map(ToString::to_string).collect(),
    }
}

/// One alert of a tenant to these addresses; answers its first outcome of that kind.
async fn outcome(
    settings: Settings,
    to: &[&str],
    tenant: &str,
    expected: DeliveryOutcome,
) -> Delivery {
    let log = Log::new();
    let routes = Routes::new([("mail", email(to))]);
    let running = log.start("a", settings, &routes);
    log.opens(tenant, "80", "a");
    let outcome = log.awaits(expected, 1).await.remove(0);
    running.kill().await;
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_arrive_by_tls_with_subject_and_id() {
    let stack = stack();
    let to = ["ops@example.com", "boss@example.com"];
    let settings = smtp(&stack, |_| ());
    let told = outcome(settings, &to, "mail-one", DeliveryOutcome::Delivered).await;
    let mails = mails(&stack, "mail-one");
    let [mail] = mails.as_slice() else {
        panic!("{mails:?}");
    };
    assert_eq!(
        (mail["tls"].as_bool(), mail["user"].as_str()),
        (Some(true), Some(USER))
    );
    assert_eq!(mail["from"], "alerts@meterline.example");
    assert_eq!(mail["to"], serde_json::json!(to));
    let subject = "[warning] mail-one: api_requests at 85.0%";
    assert_eq!(header(mail, "Subject"), [subject]);
    let id = format!("<{:032x}@meterline.example>", told.notification);
    assert_eq!(header(mail, "Message-ID"), [id]);
    let text = mail["text"].as_str().expect("a text");
    assert!(
        text.contains("api_requests usage is at 85.0% of its limit"),
        "{text}"
    );
    assert!(text.contains("used:      850 of 1000"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_of_each_account_are_told_of_theirs() {
    let (stack, log) = (stack(), Log::new());
    let routes = Routes::new([("mail", email(&[]))]);
    routes.set_contacts("contacts-a", &["a@example.com", "not an address"]);
    routes.set_contacts("contacts-b", &["b@example.com"]);
    let running = log.start("a", smtp(&stack, |_| ()), &routes);
    for threshold in ["80", "95"] {
        log.opens("contacts-a", threshold, "a");
    }
    log.opens("contacts-b", "80", "a");
    log.opens("contacts-of-nobody", "80", "a");
    log.awaits(DeliveryOutcome::Delivered, 3).await;
    let parked = log.awaits(DeliveryOutcome::Parked, 1).await;
    running.stop().await;

    assert_eq!(parked[0].tenant, "contacts-of-nobody");
    assert_eq!(parked[0].detail, "there is no address to send to");
    let of_a = mails(&stack, "contacts-a");
    assert_eq!(of_a.len(), 1, "two alerts of one account in one e-mail");
    assert_eq!(of_a[0]["to"], serde_json::json!(["a@example.com"]));
    assert_eq!(
        header(&of_a[0], "Subject"),
        ["[warning] contacts-a: 2 alerts"]
    );
    assert_eq!(
        mails(&stack, "contacts-b")[0]["to"],
        serde_json::json!(["b@example.com"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_do_not_become_headers() {
    let stack = stack();
    let tenant = "evil\r\nBcc: victim@example.com\r\n\r\nevil-body";
    let settings = smtp(&stack, |_| ());
    let to = ["ops@example.com"];
    outcome(settings, &to, tenant, DeliveryOutcome::Delivered).await;
    let mails = mails(&stack, "evil-body");
    let [mail] = mails.as_slice() else {
        panic!("{mails:?}");
    };
    assert_eq!(mail["to"], serde_json::json!(to));
    assert_eq!(header(mail, "Bcc"), [""; 0]);
    assert_eq!(header(mail, "Subject").len(), 1);
    let text = mail["text"].as_str().expect("a text");
    assert!(text.starts_with("api_requests usage"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_the_server_lead_to_outcomes() {
    let stack = stack();
    let check = async |to: &str, expected, detail: &str| {
        let settings = smtp(&stack, |_| ());
        let told = outcome(settings, &[to], "replies", expected).await;
        assert_eq!(told.detail, detail, "{to}");
    };
    check("nobody@example.com", DeliveryOutcome::Parked, "smtp 550").await;
    check("later@example.com", DeliveryOutcome::Failed, "smtp 451").await;
    check("broken@example.com", DeliveryOutcome::Failed, "smtp 554").await;
    assert!(mails(&stack, "replies").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_starttls_is_told_nothing() {
    let stack = stack();
    let plain = stack.plain_smtp_port();
    let to = ["ops@example.com"];
    let strict = smtp(&stack, |smtp| smtp.port = plain);
    let told = outcome(strict, &to, "unencrypted", DeliveryOutcome::Failed).await;
    let expected = "the mail server does not offer what the settings require";
    assert_eq!(told.detail, expected);
    assert!(mails(&stack, "unencrypted").is_empty());

    let open = smtp(&stack, |smtp| {
        smtp.port = plain;
        smtp.tls = SmtpTls::None;
        smtp.user.clear();
    });
    outcome(open, &to, "unencrypted", DeliveryOutcome::Delivered).await;
    assert_eq!(mails(&stack, "unencrypted")[0]["tls"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_certificate_and_a_wrong_password_are_failures_without_secrets() {
    let stack = stack();
    let to = ["ops@example.com"];
    let stranger = smtp(&stack, |smtp| smtp.ca_file = None);
    let told = outcome(stranger, &to, "stranger", DeliveryOutcome::Failed).await;
    let expected = "no connection to the mail server by TLS: invalid peer certificate";
    assert!(told.detail.starts_with(expected), "{}", told.detail);
    let wrong = smtp(&stack, |smtp| {
        smtp.password = Secret::new("not-the-password")
    });
    assert!(!format!("{wrong:?}").contains("not-the-password"));
    let told = outcome(wrong, &to, "stranger", DeliveryOutcome::Failed).await;
    assert_eq!(told.detail, "smtp 535");
    assert!(mails(&stack, "stranger").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_does_not_answer_delays_no_webhook_and_is_asked_again() {
    let stack = Arc::new(Stack::own(Service::Smtp));
    stack.signal(Service::Smtp, "STOP");
    let log = Log::new();
    let receiver = crate::receiver::Receiver::start().await;
    let hook = crate::routes::webhook(receiver.url("ok"));
    let mail = email(&["ops@example.com"]);
    let routes = Routes::new([("mail", mail), ("hook", hook)]);
    let settings = smtp(&stack, |smtp| smtp.timeout = TIMEOUT / 60);
    let running = log.start("a", settings, &routes);
    log.opens("silent", "80", "a");
    let delivered = log.awaits(DeliveryOutcome::Delivered, 1).await;
    assert_eq!(delivered[0].route, "hook");
    let failed = log.awaits(DeliveryOutcome::Failed, 1).await;
    assert_eq!(failed[0].detail, "the mail server did not answer in time");
    stack.signal(Service::Smtp, "CONT");
    log.awaits(DeliveryOutcome::Delivered, 2).await;
    running.stop().await;
    assert_eq!(mails(&stack, "silent").len(), 1);
}
