//! E-mail over SMTP: plain text, one message for each bundle.
//!
//! Without TLS nothing is handed over unless a setting says so. Headers are made by the library
//! from parsed addresses and a subject of one line, so nothing that an alert holds becomes a header.

use crate::answer::{Answer, tls_error};
use crate::ca::authorities;
use crate::error::NotifyError;
use crate::message::Message;
use crate::settings::{SmtpSettings, SmtpTls};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use std::time::Duration;

/// Steps of the protocol that may each take the setting's time: name, connection, greeting, TLS,
/// sign-in, the envelope and the message. Names are resolved without a bound of their own.
const STEPS: u32 = 7;

/// Replies that no repeat changes: there is no such mailbox (RFC 5321, 4.2.3; RFC 7504).
const NO_MAILBOX: [u16; 4] = [550, 551, 553, 556];

/// The client of the mail server.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Mailer {
    pub(crate) fn new(settings: &SmtpSettings) -> Result<Self, NotifyError> {
        let smtp = |source| NotifyError::Smtp {
            host: settings.host.clone(),
            source,
        };
        let tls = || -> Result<TlsParameters, NotifyError> {
            let mut builder = TlsParameters::builder(settings.host.clone());
            if let Some(path) = &settings.ca_file {
                builder = builder.certificate_store(CertificateStore::None);
                for der in authorities(path)? {
                    let certificate = Certificate::from_der(der.to_vec()).map_err(smtp)?;
                    builder = builder.add_root_certificate(certificate);
                }
            }
            builder.build().map_err(smtp)
        };
        let tls = match settings.tls {
            SmtpTls::StartTls => Tls::Required(tls()?),
            SmtpTls::Implicit => Tls::Wrapper(tls()?),
            SmtpTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.timeout));
        if !settings.user.is_empty() {
            let password = settings.password.expose().to_owned();
            builder = builder.credentials(Credentials::new(settings.user.clone(), password));
        }
        Ok(Self {
            transport: builder.build(),
            from: settings.from.parse().expect("settings are checked"),
            timeout: settings.timeout * STEPS,
        })
    }

    /// Hands a message over for these addresses.
    pub(crate) async fn send(&self, to: &[String], message: &Message) -> Answer {
        // Whoever keeps accounts checks addresses; one that is none keeps nothing from others.
        let to: Vec<Address> = to.iter().filter_map(|text| text.parse().ok()).collect();
        if to.is_empty() {
            return Answer::park("there is no address to send to");
        }
        let Some(mail) = self.mail(to, message) else {
            return Answer::park("the e-mail could not be written");
        };
        match tokio::time::timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(_)) => Answer::delivered("taken by the mail server"),
            Ok(Err(error)) => judge(&error),
            Err(_) => Answer::retry("the mail server did not answer in time"),
        }
    }

    fn mail(&self, to: Vec<Address>, message: &Message) -> Option<Mail> {
        let id = format!("<{}@{}>", message.id, self.from.email.domain());
        let mut builder = Mail::builder()
            .from(self.from.clone())
            .subject(message.subject())
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN);
        for address in to {
            builder = builder.to(Mailbox::new(None, address));
        }
        builder.body(message.text()).ok()
    }
}

/// The server's text is left out: it repeats addresses.
fn judge(error: &Error) -> Answer {
    if let Some(code) = error.status() {
        let (detail, code) = (format!("smtp {code}"), u16::from(code));
        return if NO_MAILBOX.contains(&code) {
            Answer::park(detail)
        } else {
            Answer::retry(detail)
        };
    }
    if let Some(tls) = tls_error(error) {
        return Answer::retry(format!("no connection to the mail server by TLS: {tls}"));
    }
    Answer::retry(if error.is_timeout() {
        "the mail server did not answer in time"
    } else if error.is_client() {
        "the mail server does not offer what the settings require"
    } else {
        "no connection to the mail server"
    })
}
