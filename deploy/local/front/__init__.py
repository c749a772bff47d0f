"""The parts of the ClickHouse HTTP front; `clickhouse_front.py` puts them together."""
