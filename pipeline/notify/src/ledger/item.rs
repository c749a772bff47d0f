//! One alert and where it stands with each of its routes.

use super::ToRoute;
use super::queue::QueueKey;
use crate::Backlog;
use crate::alert::Alert;
use meterline_core::time::LogTime;
use std::sync::Arc;

/// An alert that is told, or remembered.
#[derive(Debug)]
pub(crate) struct Known {
    pub alert: Arc<Alert>,
    /// When its first attempt was whose turn it is, on the own clock.
    pub from: LogTime,
    /// By route; a handful.
    pub items: Vec<(Arc<str>, Item)>,
}

/// Where an alert stands with a route.
#[derive(Debug)]
pub(crate) struct Item {
    /// Attempts of all instances.
    pub attempts: u32,
    /// Since when it is tried: when it was decided, or asked for again.
    pub since: LogTime,
    /// The last failed attempt since then, and whose it was.
    pub last: Option<(LogTime, Arc<str>)>,
    /// Whether somebody asked for it again.
    pub is_wanted: bool,
    pub place: Place,
}

/// What is done about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Nothing: known from outcomes only, or of a route that is none now.
    Unrouted,
    /// It stands in that queue with that time.
    Waiting { key: Arc<QueueKey>, due: LogTime },
    /// An attempt is being made.
    Sending,
    /// The receiver has it.
    Delivered,
    /// No further attempt is made.
    Parked,
}

impl Known {
    pub(crate) fn new(alert: Alert, from: LogTime) -> Self {
        Self {
            alert: Arc::new(alert),
            from,
            items: Vec::new(),
        }
    }

    /// The place of a route's item, made where it is missing.
    pub(crate) fn item(&mut self, route: &str) -> usize {
        let found = self.items.iter().position(|(known, _)| **known == *route);
        found.unwrap_or_else(|| {
            let item = Item {
                attempts: 0,
                since: self.alert.appended,
                last: None,
                is_wanted: false,
                place: Place::Unrouted,
            };
            self.items.push((route.into(), item));
            self.items.len() - 1
        })
    }

    pub(crate) fn to_route(&self) -> ToRoute {
        let is_wanted = |item: &Item| item.is_wanted && item.place == Place::Unrouted;
        let wanted = self.items.iter().filter(|(_, item)| is_wanted(item));
        ToRoute {
            alert: Arc::clone(&self.alert),
            wanted: wanted.map(|(route, _)| Arc::clone(route)).collect(),
        }
    }

    /// Whether nobody is left to be told.
    pub(crate) fn is_over(&self) -> bool {
        let is_left = |place: &Place| matches!(place, Place::Waiting { .. } | Place::Sending);
        !self.items.iter().any(|(_, item)| is_left(&item.place))
    }

    /// For how many routes it is parked.
    pub(crate) fn parked(&self) -> usize {
        let items = self.items.iter();
        items
            .filter(|(_, item)| item.place == Place::Parked)
            .count()
    }
}

impl Backlog {
    pub(crate) fn enter(&mut self, place: &Place) {
        if let Some(count) = self.of(place) {
            *count += 1;
        }
    }

    pub(crate) fn leave(&mut self, place: &Place) {
        if let Some(count) = self.of(place) {
            *count -= 1;
        }
    }

    fn of(&mut self, place: &Place) -> Option<&mut usize> {
        match place {
            Place::Waiting { .. } | Place::Sending => Some(&mut self.pending),
            Place::Parked => Some(&mut self.parked),
            Place::Unrouted | Place::Delivered => None,
        }
    }
}
