// Package sqlsource reads products from a database through database/sql. It imports no driver: the host opens the database with its own.
//
// # One snapshot
//
// A reindex that reads while products are added and removed must not mix two states of the catalogue. Each read runs in one read-only
// transaction that sees the state of the moment when its first statement ran, whatever others commit meanwhile:
//
//   - PostgreSQL: REPEATABLE READ, READ ONLY. Partitions share the first one's snapshot (pg_export_snapshot).
//   - MySQL and MariaDB: REPEATABLE READ, READ ONLY. It covers tables of InnoDB; other engines have no snapshots. Connections can not
//     share one, so there are no Partitions. A change of a table's definition waits until the read has ended.
//   - SQLite: a read transaction. In WAL mode writers go on meanwhile; in the other journal modes they wait until the read has ended.
//
// The transaction stays open for as long as indexing takes and is idle between two pages: settings of the server that end such
// transactions (idle_in_transaction_session_timeout; MySQL's wait_timeout) must be longer than an index can stall. A transaction that
// is lost ends the read with an error; it is never continued in another snapshot.
//
// # Pages
//
// The rows come in pages, in the order of a key column, so that no statement runs long and no driver holds more than a page. The
// key is checked as it is used: one that is NULL, not unique, or equal to another one in the database's collation ends the read with an
// error instead of losing products. In a case-insensitive collation, which is MySQL's default, that is what a and A are; a primary key
// or a unique index makes sure that there are no such two. Columns that MySQL does not compare in the order that it sorts them in (ENUM,
// SET, BIT) are refused.
//
// # From a row to JSON
//
// A row becomes an object with one member a column, named as the column is. NULL is null. Texts, integers, floats and booleans are what
// they are; numeric keeps all its digits (19.90 stays 19.90); JSON columns are embedded as they are. Timestamps are RFC 3339 in UTC, and
// one without a time zone counts as UTC; a date is 2006-01-02. Binary columns are base64. NaN and the infinities, for which JSON has no
// number, are null. Config.Types tells what the database does not. Beyond that:
//
//   - All other types of PostgreSQL (arrays, enumerations, ranges, composite types, ...) are what its to_json makes of them.
//   - MySQL: zero dates (0000-00-00) are null. A TIMESTAMP, unless it is the key, is the moment it stands for, whatever the session's
//     time zone is; a DATETIME that the driver takes for a time of its loc, with parseTime, is that. BIT is a number. BOOLEAN is 0 and
//     1, and MariaDB's JSON a text, unless Config.Types has the column. TIME, ENUM and SET are texts. The driver's charset has to be
//     utf8mb4, its default.
//   - SQLite: the declared types JSON, BOOLEAN and DATE count; its other values are what they are stored as.
//
// Or the product is a JSON document already: Config.Body names its column, and it is handed on as it is.
package sqlsource
