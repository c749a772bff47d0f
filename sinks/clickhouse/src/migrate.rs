//! Brings the database to the schema of this binary.
//!
//! Safe from two processes at once without a lock: every statement may run twice, and the record
//! of a migration is keyed by its number and the checksum of its text. A text that changed, and a
//! database that is ahead of this binary, are refused by name before anything is touched.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::replicated;
use clickhouse::Row;
use clickhouse::sql::Identifier;
use meterline_schemas::migrations::{MIGRATIONS, Migration, VERSION_TABLE};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A migration as the database records it.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
struct Applied {
    number: u32,
    checksum: u128,
    name: String,
}

/// What [`ClickHouse::migrate`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// Numbers of the migrations that were missing and are applied now.
    pub applied: Vec<u32>,
    /// Tables whose retention was changed to that of the settings.
    pub retention_changed: Vec<&'static str>,
}

impl ClickHouse {
    /// Makes the database, its tables and views where they are missing, and applies retention.
    ///
    /// May run again at any time, also after it failed half way, and from several processes.
    ///
    /// # Errors
    /// [`Error::MigrationChanged`], [`Error::DatabaseIsNewer`], and any error of a request.
    pub async fn migrate(&self) -> Result<Migrated, Error> {
        let create = self.on_cluster("CREATE DATABASE IF NOT EXISTS ?");
        let request = self
            .server()
            .query(&create)
            .bind(Identifier(self.database()));
        let action = || format!("create database {}", self.database());
        self.call(action, request.execute()).await?;
        self.execute("create table schema_migrations", VERSION_TABLE)
            .await?;
        let missing = self.missing(&self.applied().await?)?;
        for migration in &missing {
            self.apply(migration).await?;
        }
        // Another binary may have applied other texts meanwhile.
        self.missing(&self.applied().await?)?;
        let retention_changed = self.apply_retention().await?;
        let applied = missing.iter().map(|migration| migration.number).collect();
        Ok(Migrated {
            applied,
            retention_changed,
        })
    }

    /// Whether the database has the schema of this binary; changes nothing.
    ///
    /// # Errors
    /// [`Error::NotMigrated`] or [`Error::Schema`] where `meterline init` has to run,
    /// [`Error::MigrationChanged`], [`Error::DatabaseIsNewer`], and any error of a request.
    pub async fn check_schema(&self) -> Result<(), Error> {
        match self.missing(&self.applied().await?)?.first() {
            None => Ok(()),
            Some(migration) => Err(Error::NotMigrated {
                database: self.database().to_owned(),
                number: migration.number,
            }),
        }
    }

    /// `CREATE DATABASE`, on the whole cluster where there is one.
    fn on_cluster(&self, sql: &str) -> String {
        match &self.settings().replication.cluster {
            Some(cluster) => format!("{sql} {}", replicated::clause(cluster)),
            None => sql.to_owned(),
        }
    }

    async fn applied(&self) -> Result<Vec<Applied>, Error> {
        let sql = "SELECT ?fields FROM schema_migrations FINAL ORDER BY number, checksum";
        let request = self.client().query(sql).fetch_all();
        self.call(|| "read schema_migrations".to_owned(), request)
            .await
    }

    /// The migrations that are not applied yet; refuses what this binary cannot stand on.
    fn missing(&self, applied: &[Applied]) -> Result<Vec<Migration>, Error> {
        let newest = MIGRATIONS.len();
        for row in applied {
            let known = MIGRATIONS.iter().find(|known| known.number == row.number);
            let Some(known) = known else {
                return Err(Error::DatabaseIsNewer {
                    database: self.database().to_owned(),
                    found: applied.iter().map(|row| row.number).max().unwrap_or(0),
                    newest: MIGRATIONS[newest - 1].number,
                });
            };
            if known.checksum() != row.checksum {
                return Err(Error::MigrationChanged {
                    number: row.number,
                    name: row.name.clone(),
                    database: self.database().to_owned(),
                });
            }
        }
        let is_missing = |known: &&Migration| applied.iter().all(|row| row.number != known.number);
        Ok(MIGRATIONS.iter().filter(is_missing).copied().collect())
    }

    async fn apply(&self, migration: &Migration) -> Result<(), Error> {
        let what = format!("apply migration {} ({})", migration.number, migration.name);
        for statement in migration.statements() {
            self.execute(&what, statement).await?;
        }
        let row = Applied {
            number: migration.number,
            checksum: migration.checksum(),
            name: migration.name.to_owned(),
        };
        let request = async {
            let mut insert = self.client().insert::<Applied>("schema_migrations").await?;
            insert.write(&row).await?;
            insert.end().await
        };
        let action = || format!("record migration {}", migration.number);
        self.call(action, request).await
    }

    /// Runs a statement that changes the schema, on the whole cluster where there is one.
    pub(crate) async fn execute(&self, what: &str, sql: &str) -> Result<(), Error> {
        let sql = match &self.settings().replication.cluster {
            Some(cluster) => Cow::Owned(replicated::statement(sql, cluster)),
            None => Cow::Borrowed(sql),
        };
        let request = self.client().query_raw(&sql).execute();
        self.call(|| what.to_owned(), request).await
    }
}
