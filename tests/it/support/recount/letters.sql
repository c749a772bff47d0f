-- Dead letters: what must be there, and what the table has of the usage log.
CREATE TABLE letters_expected ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT log_partition, offset, reason FROM judged WHERE reason != '';

CREATE TABLE letters_actual ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT log_partition, offset, toString(reason) AS reason
FROM {database}.dead_letters FINAL
WHERE topic LIKE '%usage.events';
