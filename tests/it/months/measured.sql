-- One row per event, meter and bucket. `uses` says what each event counts for each meter, and by
-- which properties (in the order of their names) the meter is split: then it has parts and a whole.
CREATE TABLE measured ENGINE = MergeTree ORDER BY (meter, log_partition, offset) AS
SELECT
    log_partition, offset, log_time, sealed_to, time, tenant, meter, aggregation, quantity, kind,
    if(kind = 'part', mapFromArrays(names, arrayMap(name -> properties[name], names)),
        CAST(map(), 'Map(String, String)')) AS dimensions
FROM
(
    SELECT *, used.1 AS meter, used.2 AS aggregation, used.3 AS quantity, used.4 AS names
    FROM (SELECT * EXCEPT (quantity) FROM uses) ARRAY JOIN counts AS used
)
ARRAY JOIN if(empty(names), ['only'], ['whole', 'part']) AS kind;
