//! The zones that are taken and refused, against the whole database.

use super::*;

/// From 2020 until a year after the last rule of the database.
const DAYS: std::ops::Range<i64> = 18_262..18_262 + 81 * 366;

fn every_zone() -> impl Iterator<Item = Tz> {
    TZ_VARIANTS.iter().copied()
}

fn check(name: &str, expected: Result<&str, &str>) {
    let found = Zone::parse(name).map_err(|error| error.to_string());
    let found = found.as_ref().map(|zone| zone.name());
    assert_eq!(found.map_err(String::as_str), expected, "{name}");
}

#[test]
fn zones_of_whole_hours_are_taken() {
    for name in ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"] {
        check(name, Ok(name));
    }
    assert_eq!(Zone::parse("UTC"), Ok(Zone::utc()));
}

#[test]
fn others_are_refused_with_the_reason() {
    check(
        "Asia/Kolkata",
        Err(
            "time zone `Asia/Kolkata` is +05:30 off UTC, which is no whole number of hours: its \
             days are no sums of hourly buckets; use a zone with whole hours, such as `UTC`",
        ),
    );
    for name in ["Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu"] {
        let refused = matches!(Zone::parse(name), Err(ZoneError::PartHour { .. }));
        assert!(refused, "{name}");
    }
    check(
        "Europe/Berlim",
        Err(&format!(
            "`Europe/Berlim` is no time zone of the IANA database ({DATABASE}); did you mean \
             `Europe/Berlin`?"
        )),
    );
    check(
        "",
        Err(&format!(
            "`` is no time zone of the IANA database ({DATABASE}); names look like `Europe/Berlin`"
        )),
    );
    let long = "x".repeat(100_000);
    let shown = Zone::parse(&long).map_err(|error| error.to_string().len());
    assert!(shown.is_err_and(|length| length < 200));
}

#[test]
fn zones_with_part_hour_offsets_are_those_of_the_database() {
    // Every six hours: no offset has ever held for less.
    let part_hour = |zone: Tz| {
        let hours = DAYS.start * 4..DAYS.end * 4;
        let mut seconds = hours.map(|quarter| offset_seconds(zone, quarter * 6));
        let odd = seconds.find(|seconds| seconds % 3_600 != 0)?;
        Some((zone.name(), odd))
    };
    let mut found: Vec<_> = every_zone().filter_map(part_hour).collect();
    found.sort_unstable();
    assert_eq!(found, PART_HOUR);
}

/// What the start of a day and the day of an hour rest on.
#[test]
fn zones_change_rarely_little_and_never_back_to_a_day_that_is_over() {
    for zone in every_zone().filter_map(|zone| Zone::parse(zone.name()).ok()) {
        let mut changed = DAYS.start;
        let mut before = zone.offset(DAYS.start * HOURS_PER_DAY);
        for day in DAYS {
            let offset = zone.offset(day * HOURS_PER_DAY);
            assert!((-14..=14).contains(&offset), "{zone}: {offset}");
            if offset != before {
                assert!(day - changed > 2, "{zone} on day {day}");
                let hours = (day - 1) * HOURS_PER_DAY..=(day + 1) * HOURS_PER_DAY;
                assert!(
                    hours.is_sorted_by_key(|hour| zone.day_at(hour)),
                    "{zone} on day {day}"
                );
                (changed, before) = (day, offset);
            }
        }
    }
}
