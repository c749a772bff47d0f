-- What going back in a log restates.
CREATE OR REPLACE VIEW placeholder_6 AS SELECT 1 AS one;
