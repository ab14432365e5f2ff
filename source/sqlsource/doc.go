// Package sqlsource reads products from a database through database/sql. It imports no driver: the host opens the
// database with its own.
//
// # One snapshot
//
// A reindex that reads while products are added and removed must not mix two states of the catalogue. Open begins one
// read-only transaction that sees the state of that moment, whatever others commit meanwhile. What is counted, read and
// located, and the parts, are of that state:
//
//   - PostgreSQL: REPEATABLE READ, READ ONLY. Parts share the snapshot (pg_export_snapshot), also in other processes,
//     as long as the connection is open that began it.
//   - MySQL and MariaDB: START TRANSACTION WITH CONSISTENT SNAPSHOT, REPEATABLE READ, READ ONLY. It covers tables of
//     InnoDB; other engines have no snapshots. Connections cannot share one, so there are no parts. A change of a
//     table's definition waits until the read has ended.
//   - SQLite: a read transaction. In WAL mode writers go on meanwhile; in the other journal modes they wait until the
//     read has ended.
//
// The transaction stays open for as long as indexing takes and is idle between two pages: settings of the server that
// end such transactions (idle_in_transaction_session_timeout; MySQL's wait_timeout) must be longer than an index can
// stall. A transaction that is lost ends the read with an error; it is never continued in another snapshot.
//
// # Connections
//
// A snapshot holds one connection until it is closed, and a part another one while it is read. All sources of a process
// on one [database/sql.DB] together leave one of its connections to others, such as a job store on the same pool (see
// SetMaxOpenConns). If there is none to spare for a snapshot, Open says so ([ErrNoRoom]); parts wait for each other. A
// pool of one connection is the source's alone while a snapshot is open.
//
// # Pages
//
// The rows come in pages, in the order of a key column, so that no statement runs long and no driver holds more than a
// page. The key is checked as it is used: one that is NULL, not unique, or equal to another one in the database's
// collation ends the read with an error instead of losing products. In a case-insensitive collation, which is MySQL's
// default, that is what a and A are; a primary key or a unique index makes sure that there are no such two. Columns
// that MySQL does not compare in the order that it sorts them in (ENUM, SET, BIT) are refused.
//
// # Bad rows
//
// A row whose id or product is NULL, or whose values cannot be encoded, is a [reindex.RecordError] with the row's key,
// and the read goes on. Types that have no text to be an id, such as binary ones, are refused.
//
// # Changes
//
// [Follow] carries the changes that a host writes into an outbox table into the live index.
//
// # From a row to JSON
//
// A row becomes an object with one member a column, named as the column is. NULL is null. Texts, integers, floats and
// booleans are what they are; numeric keeps all its digits (19.90 stays 19.90); JSON columns are embedded as they are.
// Timestamps are RFC 3339 in UTC, and one without a time zone counts as UTC; a date is 2006-01-02. Binary columns are
// base64. NaN and the infinities, for which JSON has no number, are null, and so are times for which RFC 3339 has no
// text, such as infinity. The spaces that fill up a char(n) are no part of an id. Config.Types says what the database
// does not. Beyond that:
//
//   - All other types of PostgreSQL (arrays, enumerations, ranges, composite types, ...) are what its to_json makes of
//     them.
//   - MySQL: zero dates (0000-00-00) are null, and dates that the calendar does not have (2024-00-00) stay texts. A
//     TIMESTAMP is the moment it stands for, whatever the session's time zone is; a DATETIME is, with parseTime, a time
//     of the driver's loc. BIT is a number. BOOLEAN is 0 and 1, and MariaDB's JSON a text, unless Config.Types has the
//     column. TIME, ENUM and SET are texts. The driver's charset has to be utf8mb4, its default.
//   - SQLite (3.45 or later): the declared types JSON, JSONB, BOOLEAN and DATE count, and a date with a time is a
//     moment; its other values are what they are stored as.
//
// Or the product is a JSON document already: Config.Body names its column, and it is handed on as it is.
package sqlsource
