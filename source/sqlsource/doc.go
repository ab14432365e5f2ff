// Package sqlsource reads products from a database through database/sql. It imports no driver: the host opens the
// database with its own.
//
//	src, err := sqlsource.New(db, sqlsource.Config{
//		Dialect: sqlsource.PostgreSQL,
//		Query:   "SELECT sku, name, price FROM products WHERE tenant = $1",
//		ID:      "sku",
//	})
//
// # Snapshots
//
// A reindex that reads while products change must not mix two states of the catalogue. Therefore Open begins a
// read-only transaction that sees the state at that time, whatever others commit later. Count, Products, Locate and
// Part all read this state:
//
//   - PostgreSQL: The transaction is REPEATABLE READ, READ ONLY. Parts share the snapshot (pg_export_snapshot), even in
//     other processes, as long as the connection that began it is open.
//   - MySQL and MariaDB: The transaction is START TRANSACTION WITH CONSISTENT SNAPSHOT, REPEATABLE READ, READ ONLY. The
//     tables must use InnoDB, because other engines have no snapshots. Connections cannot share a snapshot, so there
//     are no parts. A change of a table's definition waits for the end of the read.
//   - SQLite: The transaction is a read transaction. In WAL mode writers continue during the read. In other journal
//     modes they wait for its end.
//
// The transaction stays open for as long as indexing takes, and is idle between two pages. Servers can end idle
// transactions (PostgreSQL: idle_in_transaction_session_timeout; MySQL: wait_timeout). Set these times longer than an
// index can stall. If the transaction is lost, the read ends with an error; it never continues in another snapshot.
//
// # Connections
//
// A snapshot holds a connection until it is closed. A part holds another one while it is read. All sources of a process
// that use the same [database/sql.DB] leave at least one connection of its pool (see SetMaxOpenConns) to other users,
// such as a job store. If the pool has no connection for a snapshot, Open fails with [ErrNoRoom]. If it has none for a
// part, the part waits for the end of another one. In a pool of one connection, an open snapshot holds the only one.
//
// # Pages
//
// A source reads the rows in pages, in the order of a key column, so that no statement runs long and no driver holds
// more than a page. It checks the key of each row. If a key is NULL, not unique, or equal to another one in the
// collation of the database, the read ends with an error, because products could be lost. In a case-insensitive
// collation, which is the default of MySQL, the keys "a" and "A" are equal; a primary key or a unique index excludes
// such pairs. Columns of the types ENUM, SET and BIT of MySQL cannot be keys, because MySQL compares them in another
// order than it sorts them.
//
// # Bad rows
//
// A row whose id or product is NULL, or whose values cannot be encoded, is yielded as a [reindex.RecordError] with the
// key of the row, and the read continues. A column whose values have no text, such as a binary one, cannot be the id.
//
// # Changes
//
// [Follow] reads changes from an outbox table, into which the host writes them, and passes them to the live index.
//
// # Conversion to JSON
//
// A row becomes an object with a member for each column:
//
//   - NULL becomes null.
//   - Texts, integers, floats and booleans do not change. A numeric keeps all its digits: 19.90 stays 19.90.
//   - JSON columns are embedded unchanged.
//   - Timestamps become RFC 3339 in UTC. A timestamp without a time zone counts as UTC. A date becomes 2006-01-02.
//   - Binary columns become base64.
//   - NaN and the infinities, for which JSON has no number, become null. So do times for which RFC 3339 has no text.
//   - The spaces that pad a char(n) are removed from ids.
//
// Config.Types sets types that the database does not report. These rules depend on the database:
//
//   - PostgreSQL: All other types, such as arrays, enumerations, ranges and composite types, are converted by to_json.
//   - MySQL: Zero dates (0000-00-00) become null. Dates that the calendar does not have (2024-00-00) stay texts. A
//     TIMESTAMP does not depend on the time zone of the session. A DATETIME, with parseTime, is a time in the driver's
//     loc. BIT becomes a number. BOOLEAN becomes 0 or 1, and JSON of MariaDB a text, unless Config.Types has the
//     column. TIME, ENUM and SET become texts. The charset of the driver must be utf8mb4, its default.
//   - SQLite, 3.45 or later: The declared types JSON, JSONB, BOOLEAN and DATE are converted. A DATE with a time becomes
//     a timestamp. Other values are as they are stored.
//
// If a column holds the whole product as a JSON document, Config.Body names the column, and the document becomes the
// body unchanged.
package sqlsource
