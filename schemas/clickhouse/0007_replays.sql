-- Dead letters that were replayed.
CREATE OR REPLACE VIEW placeholder_7 AS SELECT 1 AS one;
