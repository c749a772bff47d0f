//! Standings: inserted as they change, read whole by whoever answers quota checks.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::PAGE_ROWS_MAX;
use crate::stream::Rows;
use meterline_core::standing::{Standing, StandingProgress};
use meterline_schemas::rows::{StandingProgressRow, StandingRow};

/// Most standings of one INSERT: some tens of megabytes, held until acknowledged.
const STANDINGS_MAX: usize = 100_000;

impl ClickHouse {
    /// Inserts standings, in requests of bounded size; a lower version never replaces a higher.
    /// May be repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_standings(&self, standings: &[Standing]) -> Result<(), Error> {
        for standings in standings.chunks(STANDINGS_MAX) {
            let request = async {
                let mut insert = self.client().insert::<StandingRow>("standing").await?;
                for standing in standings {
                    insert.write(&StandingRow::new(standing)).await?;
                }
                insert.end().await
            };
            let action = || format!("insert {} standings", standings.len());
            self.call(action, request).await?;
        }
        Ok(())
    }

    /// Inserts progress of standings, after the standings that it speaks of. May be repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_standing_progress(
        &self,
        progress: &[StandingProgress],
    ) -> Result<(), Error> {
        let rows: Vec<_> = progress.iter().map(StandingProgressRow::new).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let action = || format!("insert progress of standings of {} partitions", rows.len());
        let inserted = self.insert_rows("standing_progress", &rows);
        self.call(action, inserted).await
    }

    /// All standings, in no order, each with its highest version.
    ///
    /// Read [`ClickHouse::standing_progress`] first: its positions are those from which the topic
    /// misses nothing then.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn standings(&self) -> Result<Rows<StandingRow>, Error> {
        let query = self.client().query("SELECT ?fields FROM standing FINAL");
        Rows::of(self, "read standings".to_owned(), query)
    }

    /// The standings of one tenant, by meter.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn standings_of(&self, tenant: &str) -> Result<Vec<Standing>, Error> {
        let sql = "SELECT ?fields FROM standing FINAL WHERE tenant = {tenant:String} \
                   ORDER BY meter LIMIT {limit:UInt32}";
        let query = self
            .client()
            .query(sql)
            .param("tenant", tenant)
            .param("limit", PAGE_ROWS_MAX);
        let action = || format!("read standings of {tenant}");
        let rows: Vec<StandingRow> = self.rows(action, query).await?;
        Ok(rows.into_iter().map(Standing::from).collect())
    }

    /// The newest progress of standings of every log partition, also of topics that are gone.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn standing_progress(&self) -> Result<Vec<StandingProgress>, Error> {
        let sql = "SELECT ?fields FROM standing_progress FINAL ORDER BY topic_id, log_partition \
                   LIMIT {limit:UInt32}";
        let query = self.client().query(sql).param("limit", PAGE_ROWS_MAX);
        let action = || "read progress of standings".to_owned();
        let rows: Vec<StandingProgressRow> = self.rows(action, query).await?;
        Ok(rows.into_iter().map(StandingProgress::from).collect())
    }
}
