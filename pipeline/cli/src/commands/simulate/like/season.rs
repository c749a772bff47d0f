//! When people act: the shape of a day and of a week, in UTC.

use super::{DAY, HOUR};
use meterline_core::time::EventTime;

/// How busy each hour of a day and each day of a week is; only the proportions matter.
pub(super) struct Season {
    /// From midnight to midnight.
    pub(super) hours: [u16; 24],
    /// From Monday to Sunday.
    pub(super) days: [u16; 7],
}

/// People in offices: two peaks on working days, little at night and at weekends.
pub(super) const OFFICE: Season = Season {
    hours: [
        4, 3, 3, 3, 4, 8, 20, 45, 80, 100, 100, 95, 70, 85, 100, 95, 85, 60, 35, 22, 16, 12, 8, 5,
    ],
    days: [100, 105, 108, 104, 90, 18, 14],
};

/// People in shops: open from morning to evening, most on Saturdays.
pub(super) const SHOPS: Season = Season {
    hours: [
        1, 1, 1, 1, 1, 2, 8, 25, 50, 70, 85, 95, 100, 90, 80, 80, 90, 100, 95, 70, 40, 18, 6, 2,
    ],
    days: [70, 72, 75, 80, 105, 130, 35],
};

/// People who meet: at work by day, and with each other in the evening and at weekends.
pub(super) const MEETINGS: Season = Season {
    hours: [
        12, 8, 5, 4, 4, 6, 14, 35, 70, 95, 100, 85, 60, 75, 95, 90, 75, 60, 65, 80, 85, 70, 45, 22,
    ],
    days: [100, 102, 104, 100, 95, 60, 65],
};

impl Season {
    /// How busy the hour is that the moment lies in.
    pub(super) fn weight(&self, time: EventTime) -> u64 {
        // 1970-01-01 was a Thursday.
        const FIRST_DAY: i64 = 3;
        let place = |number: i64| usize::try_from(number).expect("a remainder is not negative");
        let hour = place(time.0.rem_euclid(DAY) / HOUR);
        let day = place((time.0.div_euclid(DAY) + FIRST_DAY).rem_euclid(7));
        u64::from(self.hours[hour]) * u64::from(self.days[day])
    }
}
