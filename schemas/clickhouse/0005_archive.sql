-- The archive: every record of the usage log as it was read.
CREATE OR REPLACE VIEW placeholder_5 AS SELECT 1 AS one;
