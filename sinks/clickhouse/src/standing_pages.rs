//! Pages of standings, for people: who is near or above a limit.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::PAGE_ROWS_MAX;
use meterline_core::standing::Health;
use meterline_schemas::rows::StandingRow;

/// Which standings are meant; every part narrows it further.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandingFilter<'a> {
    /// One tenant, or all.
    pub tenant: Option<&'a str>,
    /// One meter or derived quantity, or all.
    pub meter: Option<&'a str>,
    /// At least this bad.
    pub health: Option<Health>,
}

impl ClickHouse {
    /// Standings by tenant and meter; those behind `after`, which is tenant and meter of the last
    /// of the page before. At most [`PAGE_ROWS_MAX`] come; a shorter page than `limit` is the last.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn standing_page(
        &self,
        filter: &StandingFilter<'_>,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<Vec<StandingRow>, Error> {
        let mut sql = "SELECT ?fields FROM standing FINAL WHERE 1".to_owned();
        for (is_asked, condition) in [
            (filter.tenant.is_some(), "tenant = {tenant:String}"),
            (filter.meter.is_some(), "meter = {meter:String}"),
            (filter.health.is_some(), "health >= {health:String}"),
            (
                after.is_some(),
                "(tenant, meter) > ({after_tenant:String}, {after_meter:String})",
            ),
        ] {
            if is_asked {
                sql.push_str(" AND ");
                sql.push_str(condition);
            }
        }
        sql.push_str(" ORDER BY tenant, meter LIMIT {limit:UInt32}");
        let mut query = self.client().query(&sql);
        if let Some(tenant) = filter.tenant {
            query = query.param("tenant", tenant);
        }
        if let Some(meter) = filter.meter {
            query = query.param("meter", meter);
        }
        if let Some(health) = filter.health {
            query = query.param("health", health.name());
        }
        if let Some((tenant, meter)) = after {
            query = query
                .param("after_tenant", tenant)
                .param("after_meter", meter);
        }
        let query = query.param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read standings".to_owned(), query).await
    }
}
