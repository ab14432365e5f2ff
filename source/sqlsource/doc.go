// Package sqlsource reads products from a database through database/sql. It imports no driver: the host opens the
// database with its own.
//
//	src, err := sqlsource.New(db, sqlsource.Config{
//		Dialect: sqlsource.PostgreSQL,
//		Query:   "SELECT sku, name, price FROM products WHERE tenant = $1",
//		ID:      "sku",
//	})
//
// # One snapshot
//
// A reindex that reads while products are added and removed must not mix two states of the catalogue. Open begins one
// read-only transaction that sees the state of that moment, whatever others commit meanwhile. Count, products, places
// and parts are of that state:
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
// stall. If the transaction is lost, the read ends with an error: it never goes on in another snapshot.
//
// # Connections
//
// A snapshot holds one connection until it is closed, and a part another one while it is read. All sources of a process
// on one [database/sql.DB] together leave one of its connections to others, such as a job store on the same pool (see
// SetMaxOpenConns). If the pool has none to spare for a snapshot, Open fails with [ErrNoRoom]; parts wait for each
// other. A pool of one connection is the source's alone while a snapshot is open.
//
// # Pages
//
// The rows come in pages, in the order of a key column, so that no statement runs long and no driver holds more than a
// page. The key is checked as it is used: one that is NULL, not unique, or equal to another one in the database's
// collation ends the read with an error instead of losing products. In a case-insensitive collation, MySQL's default, a
// and A are equal; a primary key or a unique index rules such pairs out. Columns that MySQL does not compare in the
// order that it sorts them in (ENUM, SET, BIT) are refused.
//
// # Bad rows
//
// A row whose id or product is NULL, or whose values cannot be encoded, is a [reindex.RecordError] with the row's key,
// and the read goes on. A column whose values have no text, such as a binary one, is refused as the id.
//
// # Changes
//
// [Follow] carries the changes that a host writes into an outbox table into the live index.
//
// # From a row to JSON
//
// A row becomes an object with one member per column, named as the column is. NULL is null. Texts, integers, floats and
// booleans stay as they are; numeric keeps all its digits (19.90 stays 19.90); JSON columns are embedded as they are.
// Timestamps are RFC 3339 in UTC, and one without a time zone counts as UTC; a date is 2006-01-02. Binary columns are
// base64. NaN and the infinities, for which JSON has no number, are null, and so are times for which RFC 3339 has no
// text, such as infinity. The spaces that fill up a char(n) are not a part of an id. Config.Types has the types that
// the database does not know. Beyond that:
//
//   - All other types of PostgreSQL (arrays, enumerations, ranges, composite types, ...) are converted by its to_json.
//   - MySQL: zero dates (0000-00-00) are null, and dates that the calendar does not have (2024-00-00) stay texts. A
//     TIMESTAMP is its moment, whatever the session's time zone is; a DATETIME, with parseTime, is a time in the
//     driver's loc. BIT is a number. BOOLEAN is 0 and 1, and MariaDB's JSON a text, unless Config.Types has the
//     column. TIME, ENUM and SET are texts. The driver's charset has to be utf8mb4, its default.
//   - SQLite (3.45 or later): the declared types JSON, JSONB, BOOLEAN and DATE count, and a date with a time is a
//     moment; other values are as they are stored.
//
// If a column holds the product as a JSON document, Config.Body names it, and the document is the body as it is.
package sqlsource
