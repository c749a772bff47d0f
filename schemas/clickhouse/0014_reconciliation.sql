-- Differences between buckets, ledger, Stripe's summaries and invoice lines, as reconciliations found
-- them. A row is what is known of one difference, and the newest judgement counts: a difference that
-- a later reconciliation of the same windows no longer finds is closed by a row of its own.
CREATE TABLE IF NOT EXISTS stripe_differences
(
    tenant String COMMENT 'who is billed, empty where Stripe bills a customer that no account has',
    meter String COMMENT 'the meter',
    window_start DateTime('UTC') COMMENT 'first second of the hour window, of an invoice line that of its first hour',
    kind Enum8('not_pushed' = 1, 'stale' = 2, 'unconfirmed' = 3, 'stripe_differs' = 4, 'foreign' = 5, 'unreadable' = 6, 'invoice_differs' = 7) COMMENT 'not_pushed (a bucket has a value that Stripe never took), stale (what was pushed last is an older value), unconfirmed (no summary has shown what was pushed), stripe_differs (a summary shows something else than what was pushed), foreign (a summary shows what was never pushed), unreadable (Stripe refuses to show summaries), invoice_differs (a final invoice and its carries bill something else)',
    subject String COMMENT 'what it is about beside the window: the customer of summaries, the invoice of a line, else empty',
    window_end DateTime('UTC') COMMENT 'first second after the windows that the row stands for',
    windows UInt64 COMMENT 'hour windows that the row stands for',
    reason String COMMENT 'why, in words',
    bucket Nullable(Decimal(38, 9)) COMMENT 'what Stripe should have: the buckets, with what is carried into the windows, in the meter''s base unit',
    ledger Nullable(Decimal(38, 9)) COMMENT 'what was pushed last',
    stripe Nullable(Decimal(38, 9)) COMMENT 'what a summary shows',
    billed Nullable(Decimal(38, 9)) COMMENT 'what the invoice line bills, with the carries of it',
    first_seen DateTime64(3, 'UTC') COMMENT 'when a reconciliation found it first',
    last_seen DateTime64(3, 'UTC') COMMENT 'when a reconciliation found it last',
    is_open Bool COMMENT 'false: a later reconciliation did not find it any more',
    run UInt128 COMMENT 'the reconciliation that judged last',
    judged_at DateTime64(3, 'UTC') COMMENT 'when it did, by the clock of its process'
)
ENGINE = ReplacingMergeTree(judged_at)
ORDER BY (tenant, meter, window_start, kind, subject)
SETTINGS non_replicated_deduplication_window = 0;

-- The differences that the newest reconciliation of their windows found.
CREATE OR REPLACE VIEW stripe_differences_open AS
SELECT
    tenant,
    meter,
    window_start,
    kind,
    subject,
    window_end,
    windows,
    reason,
    bucket,
    ledger,
    stripe,
    billed,
    first_seen,
    last_seen,
    run
FROM stripe_differences FINAL
WHERE is_open;

-- How far reconciliations are: of each run the newest row counts. A run that was stopped goes on
-- behind the last tenant and meter that it finished.
CREATE TABLE IF NOT EXISTS stripe_reconciliations
(
    run UInt128 COMMENT 'chosen at random when it began',
    period_start DateTime('UTC') COMMENT 'first second of the period',
    period_end DateTime('UTC') COMMENT 'first second after it',
    scope String COMMENT 'which tenants and meters: all, or those named',
    started_at DateTime64(3, 'UTC') COMMENT 'when it began, by the clock of its process',
    updated_at DateTime64(3, 'UTC') COMMENT 'when this was so',
    is_finished Bool COMMENT 'whether everything of its scope was compared',
    after_tenant String COMMENT 'the last tenant whose meters were compared up to after_meter, in key order',
    after_meter String COMMENT 'the last meter of that tenant that was compared',
    slices UInt32 COMMENT 'slices that are finished',
    pairs UInt64 COMMENT 'tenants'' meters that were compared',
    windows UInt64 COMMENT 'hour windows that were compared',
    in_work UInt64 COMMENT 'hour windows that were left out: open, or changed a moment ago',
    readings UInt64 COMMENT 'customers'' meters whose summaries were read',
    invoice_lines UInt64 COMMENT 'lines of final invoices that were compared',
    found UInt64 COMMENT 'differing windows and invoice lines that it found'
)
ENGINE = ReplacingMergeTree(slices)
ORDER BY (period_start, period_end, scope, run)
SETTINGS non_replicated_deduplication_window = 0;
