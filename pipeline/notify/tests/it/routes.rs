//! Routes and contacts, as the control log would say.

use meterline_core::account::{Route, Target};
use meterline_core::catalog::plans::Severity;
use meterline_core::time::LogTime;
use meterline_notify::{Directory, KnownRoute};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Known {
    routes: BTreeMap<String, Arc<Route>>,
    contacts: BTreeMap<String, Vec<String>>,
    version: u64,
}

/// The directory of a test.
#[derive(Default)]
pub(crate) struct Routes(Mutex<Known>);

impl Routes {
    /// Routes with these ids and targets, told of everything.
    pub(crate) fn new(routes: impl IntoIterator<Item = (&'static str, Target)>) -> Arc<Self> {
        let known = Arc::new(Self::default());
        for (id, target) in routes {
            known.set(id, target, true);
        }
        known
    }

    /// A new version of a route.
    pub(crate) fn set(&self, id: &str, target: Target, enabled: bool) {
        let route = Route {
            id: id.to_owned(),
            account: None,
            meters: Vec::new(),
            severity: Severity::Info,
            target,
            enabled,
        };
        let mut known = self.0.lock().expect("no test has panicked");
        known.routes.insert(id.to_owned(), Arc::new(route));
        known.version += 1;
    }

    pub(crate) fn set_contacts(&self, tenant: &str, contacts: &[&str]) {
        let contacts = contacts.iter().map(ToString::to_string).collect();
        let mut known = self.0.lock().expect("no test has panicked");
        known.contacts.insert(tenant.to_owned(), contacts);
    }
}

impl Directory for Routes {
    fn routes(&self, _tenant: &str, _meter: &str, _severity: Severity) -> Vec<KnownRoute> {
        let known = self.0.lock().expect("no test has panicked");
        let told = known.routes.values().filter(|route| route.enabled);
        let since = |route: &Arc<Route>| KnownRoute {
            route: Arc::clone(route),
            since: LogTime(0),
        };
        told.map(since).collect()
    }

    fn route(&self, id: &str) -> Option<Arc<Route>> {
        let known = self.0.lock().expect("no test has panicked");
        known.routes.get(id).cloned()
    }

    fn contacts(&self, tenant: &str) -> Vec<String> {
        let known = self.0.lock().expect("no test has panicked");
        known.contacts.get(tenant).cloned().unwrap_or_default()
    }

    fn version(&self) -> u64 {
        self.0.lock().expect("no test has panicked").version
    }
}

/// A webhook of the first generation.
pub(crate) fn webhook(url: String) -> Target {
    Target::Webhook {
        url,
        generation: 1,
        previous_until: None,
    }
}
