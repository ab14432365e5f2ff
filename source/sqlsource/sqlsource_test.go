package sqlsource_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/mysqltest"
	"productindex/reindex/reindextest/pgtest"
	"productindex/source/internal/sourcetest"
	"productindex/source/sqlsource"
)

func TestMain(m *testing.M) {
	if err := mysqldriver.SetLogger(&mysqldriver.NopLogger{}); err != nil { // it logs each connection that is lost
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// database is a kind of database under test.
type database struct {
	dialect sqlsource.Dialect
	open    func(tb testing.TB) *sql.DB
	blob    string // the type of binary columns
	text    string // the type of texts of any length
	series  string // a FROM item: the numbers 1 to %d as n
	kill    func(tb testing.TB, admin *sql.DB)
}

// sql returns a statement with the database's own placeholders in place of $1, $2 and $3.
func (d database) sql(statement string) string {
	if d.dialect != sqlsource.MySQL {
		return statement
	}
	return strings.NewReplacer("$1", "?", "$2", "?", "$3", "?").Replace(statement)
}

func postgres(tb testing.TB) database {
	dsn := pgtest.Start(tb)
	return database{
		dialect: sqlsource.PostgreSQL,
		open:    func(tb testing.TB) *sql.DB { return open(tb, "pgx", dsn) },
		blob:    "bytea",
		text:    "text",
		series:  "generate_series(1, %d) AS s(n)",
		kill: func(tb testing.TB, admin *sql.DB) {
			exec(tb, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "+
				"xact_start IS NOT NULL AND backend_type = 'client backend'")
		},
	}
}

// mysql returns a server in ANSI mode, which accepts the statements of the tests. Its transactions read committed rows
// by default, so they have no snapshot of their own.
func mysql(tb testing.TB) (d database, dsn string) {
	dsn = mysqltest.Start(tb)
	return database{
		dialect: sqlsource.MySQL,
		open: func(tb testing.TB) *sql.DB {
			return open(tb, "mysql", dsn+"?sql_mode=ANSI&tx_isolation=%27READ-COMMITTED%27")
		},
		blob:   "blob",
		text:   "longtext",
		series: "(SELECT seq AS n FROM seq_1_to_%d) AS s",
		kill:   killMySQL,
	}, dsn
}

func sqlite(tb testing.TB) database {
	dsn := "file:" + filepath.Join(tb.TempDir(), "shop.db") + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)"
	return database{
		dialect: sqlsource.SQLite,
		open:    func(tb testing.TB) *sql.DB { return open(tb, "sqlite", dsn) },
		blob:    "blob",
		text:    "text",
		series:  "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %d) SELECT n FROM s) AS s",
	}
}

func open(tb testing.TB, driver, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

func exec(tb testing.TB, db *sql.DB, statements ...string) {
	tb.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			tb.Fatalf("%s: got error %v, want none", s, err)
		}
	}
}

func newSource(tb testing.TB, db *sql.DB, cfg sqlsource.Config) *sqlsource.Source {
	tb.Helper()
	src, err := sqlsource.New(db, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

// read returns the source's products of the tenant "shop".
func read(tb testing.TB, src reindex.Source) ([]reindex.Product, error) {
	tb.Helper()
	return sourcetest.Read(tb, src, "shop")
}

// openShop returns a snapshot of the tenant "shop" that is closed at the end of the test.
func openShop(tb testing.TB, src reindex.Source) reindex.Snapshot {
	tb.Helper()
	return sourcetest.MustOpen(tb, src, "shop")
}

// count returns the number of products of a new snapshot.
func count(tb testing.TB, src reindex.Source) (int64, error) {
	tb.Helper()
	snap, err := src.Open(tb.Context(), "shop")
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	return snap.(reindex.Counter).Count(tb.Context())
}

func TestPostgreSQL(t *testing.T) {
	d := postgres(t)
	testDatabase(t, d)
	t.Run("Types", func(t *testing.T) { testPostgresTypes(t, d) })
	t.Run("Parts", func(t *testing.T) { testParts(t, d) })
	t.Run("Room", func(t *testing.T) { testRoom(t, d) })
	t.Run("Find", func(t *testing.T) {
		testFind(t, d, map[string]string{
			"text": "('a'), ('b''c'), ('7'), ('ä')", "varchar(20)": "('a'), ('x y')", "char(5)": "('a'), ('bb')",
			"smallint": "(7), (-7), (32767)",
			"integer":  "(7), (2147483647)", "bigint": "(7), (9223372036854775807)", "numeric": "(7), (1.50)",
			"uuid": "('6579c22f-be2b-444c-a52b-0116dd82df6c')",
		})
	})
	t.Run("LostConnection", func(t *testing.T) { testLostConnection(t, d) })
	t.Run("ColumnTwice", func(t *testing.T) { testColumnTwice(t, d, `the column "size" twice`) })
	t.Run("Collation", func(t *testing.T) { testCollation(t, d) })
	t.Run("ManyProducts", func(t *testing.T) { testSnapshot(t, d, 200_000) })
	t.Run("FollowOne", func(t *testing.T) {
		testFollowOne(t, d, func(tb testing.TB, admin *sql.DB) {
			exec(tb, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "+
				"backend_type = 'client backend'")
		})
	})
	t.Run("FollowNotifications", func(t *testing.T) { testFollowNotifications(t, d) })
}

func TestMySQL(t *testing.T) {
	d, dsn := mysql(t)
	testDatabase(t, d)
	t.Run("Types", func(t *testing.T) { testMySQLTypes(t, dsn) })
	t.Run("Keys", func(t *testing.T) { testMySQLKeys(t, dsn) })
	t.Run("Find", func(t *testing.T) {
		testFind(t, d, map[string]string{
			"text": "('a'), ('b''c'), ('7'), ('ä')", "varchar(20) COLLATE utf8mb4_general_ci": "('a'), ('x y')",
			"char(5)":                          "('a'), ('bb')",
			"varchar(20) CHARACTER SET latin1": "('a'), ('ö')", "tinyint": "(7), (-7)", "smallint unsigned": "(7), (65535)",
			"mediumint": "(7)",
			"integer":   "(7), (2147483647)", "bigint": "(7), (9223372036854775807)",
			"bigint unsigned": "(7), (18446744073709551615)",
			"decimal(10,2)":   "(7), (1.50)", "uuid": "('6579c22f-be2b-444c-a52b-0116dd82df6c')", "year": "(2024)",
		})
	})
	t.Run("Collations", func(t *testing.T) { testMySQLCollations(t, d) })
	t.Run("FollowOne", func(t *testing.T) { testFollowOne(t, d, killMySQL) })
	t.Run("LostConnection", func(t *testing.T) { testLostConnection(t, d) })
	t.Run("ColumnTwice", func(t *testing.T) { testColumnTwice(t, d, "Duplicate column name 'size'") })
	t.Run("NoParts", func(t *testing.T) { testNoParts(t, d) })
	t.Run("ManyProducts", func(t *testing.T) { testSnapshot(t, d, 20_000) })
}

func TestSQLite(t *testing.T) {
	d := sqlite(t)
	testDatabase(t, d)
	t.Run("Types", func(t *testing.T) { testSQLiteTypes(t, d) })
	t.Run("Binary", func(t *testing.T) { testSQLiteBinary(t, d) })
	t.Run("Find", func(t *testing.T) {
		testFind(t, d, map[string]string{
			"text": "('a'), ('b''c'), ('7'), ('ä')", "integer": "(7), (9223372036854775807)", "integer PRIMARY KEY": "(7)",
			"":                           "(7), ('a'), ('8')",
			"varchar(20) COLLATE NOCASE": "('a')", "numeric": "(7)",
		})
	})
	t.Run("NoParts", func(t *testing.T) { testNoParts(t, d) })
	t.Run("ManyProducts", func(t *testing.T) { testSnapshot(t, d, 20_000) })
}

func testDatabase(t *testing.T, d database) {
	t.Run("Conformance", func(t *testing.T) { testConformance(t, d, 0) })
	t.Run("ConformanceSmallPages", func(t *testing.T) { testConformance(t, d, 7) })
	t.Run("ConformanceOneStatement", func(t *testing.T) { testConformance(t, d, -1) })
	t.Run("Pages", func(t *testing.T) { testPages(t, d) })
	t.Run("Keys", func(t *testing.T) { testKeys(t, d) })
	t.Run("Mistakes", func(t *testing.T) { testMistakes(t, d) })
	t.Run("UnknownTenant", func(t *testing.T) { testUnknownTenant(t, d) })
	t.Run("ReleasesConnections", func(t *testing.T) { testReleases(t, d) })
	t.Run("BadRows", func(t *testing.T) { testBadRows(t, d) })
	t.Run("OpenSeesOneMoment", func(t *testing.T) { testMoment(t, d) })
	t.Run("HostTypes", func(t *testing.T) { testHostTypes(t, d) })
	t.Run("QuotedNames", func(t *testing.T) { testQuotedNames(t, d) })
	t.Run("PublicMessages", func(t *testing.T) { testPublicMessages(t, d) })
	t.Run("Follow", func(t *testing.T) { testFollow(t, d) })
}

func newEngine(tb testing.TB, src reindex.Source) (*reindex.Engine, *reindextest.Memory) {
	tb.Helper()
	index := reindextest.NewMemory()
	engine, err := reindex.New(src, index, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := engine.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return engine, index
}

func testNoParts(t *testing.T, d database) {
	src := newSource(t, d.open(t),
		sqlsource.Config{Dialect: d.dialect, Query: "SELECT 1 AS id", Args: func(string) []any { return nil }})
	if _, ok := reindex.As[reindex.Splitter](openShop(t, src)); ok {
		t.Fatal("a database whose connections cannot share a snapshot has parts")
	}
}

func testConformance(t *testing.T, d database, pageRows int) {
	db := d.open(t)
	exec(t, db, "DROP TABLE IF EXISTS conformance", "DROP TABLE IF EXISTS tenants",
		"CREATE TABLE conformance (tenant varchar(100), id varchar(100), body "+d.text+", PRIMARY KEY (tenant, id))",
		"CREATE TABLE tenants (name text)")
	tenants := 0
	reindextest.TestSource(t, func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
		t.Helper()
		tenants++
		tenant := fmt.Sprintf("tenant%d", tenants)
		if _, err := db.ExecContext(t.Context(), d.sql("INSERT INTO tenants VALUES ($1)"), tenant); err != nil {
			t.Fatal(err)
		}
		for _, p := range products {
			if _, err := db.ExecContext(t.Context(), d.sql("INSERT INTO conformance VALUES ($1, $2, $3)"), tenant, p.ID,
				string(p.Body)); err != nil {
				t.Fatal(err)
			}
		}
		return reindextest.SourceFixture{Tenant: tenant, Source: newSource(t, db, sqlsource.Config{
			Dialect:  d.dialect,
			Query:    d.sql("SELECT id, body FROM conformance WHERE tenant = $1; "),
			Tenants:  d.sql("SELECT 1 FROM tenants WHERE name = $1 -- ; the end"),
			Body:     "body",
			PageRows: pageRows,
		})}
	}, nil)
}

// Every product comes once, in the order of the key, for each number of products and each page size.
func testPages(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE pages (id integer PRIMARY KEY)")
	for n := 1; n <= 13; n++ {
		exec(t, db, fmt.Sprintf("INSERT INTO pages VALUES (%d)", n))
		for _, size := range []int{1, 2, 3, 4, 6, 12, 13, 14, -1} {
			src := newSource(t, db, sqlsource.Config{
				Dialect: d.dialect, PageRows: size, Query: "SELECT id FROM pages -- all tenants",
				Args: func(string) []any { return nil },
			})
			products, err := read(t, src)
			if err != nil || len(products) != n {
				t.Fatalf("%d rows, pages of %d: got %d products, error %v, want all", n, size, len(products), err)
			}
			for i, p := range products {
				if want := fmt.Sprint(i + 1); p.ID != want || string(p.Body) != `{"id":`+want+`}` {
					t.Fatalf("%d rows, pages of %d: product %d has the id %q and the body %s, want the id %s",
						n, size, i, p.ID, p.Body, want)
				}
			}
			if count, err := count(t, src); err != nil || count != int64(n) {
				t.Fatalf("counted %d products, error %v, want %d", count, err, n)
			}
		}
	}
}

// A snapshot holds one connection until Close, however the reads of it end.
func testReleases(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE releases (id integer PRIMARY KEY)", "INSERT INTO releases VALUES (1), (2), (3)")
	src := newSource(t, db, sqlsource.Config{
		Dialect: d.dialect, PageRows: 2, Query: "SELECT id FROM releases", Args: func(string) []any { return nil },
	})
	reads := func(when string, read func(snap reindex.Snapshot)) {
		t.Helper()
		snap, err := src.Open(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		read(snap)
		if n := db.Stats().InUse; n > 1 {
			t.Errorf("%s: %d connections are in use, want at most 1", when, n)
		}
		for range 2 { // Close may be called again
			if err := snap.Close(); err != nil {
				t.Errorf("%s: closing: got error %v, want none", when, err)
			}
		}
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%s: %d connections are in use after Close, want none", when, n)
		}
	}
	for stop := 1; stop <= 3; stop++ {
		reads(fmt.Sprintf("stopped after %d", stop), func(snap reindex.Snapshot) {
			n := 0
			for _, err := range snap.Products(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n == stop {
					break
				}
			}
		})
	}
	reads("cancelled in the middle", func(snap reindex.Snapshot) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range snap.Products(ctx) {
			cancel()
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("cancelled in the middle: got %v, want context.Canceled", last)
		}
	})
	reads("after a panic", func(snap reindex.Snapshot) {
		defer func() { _ = recover() }()
		for range snap.Products(t.Context()) {
			panic("the consumer's own")
		}
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Open(ended, "shop"); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a context that has ended: got %v, want context.Canceled", err)
	}
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are in use, want none", n)
	}
}

// Column names may need quotes, and may contain quotes.
func testQuotedNames(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, `CREATE TABLE names ("the ""id""" varchar(100) PRIMARY KEY, "Größe" integer, "select" integer)`,
		`INSERT INTO names VALUES ('a', 1, 2), ('b', 3, 4)`)
	products, err := read(t, newSource(t, db, sqlsource.Config{
		Dialect: d.dialect, ID: `the "id"`, PageRows: 1,
		Query: d.sql(`SELECT "the ""id""", "Größe", "select" FROM names WHERE $1 <> ''`),
	}))
	if err != nil || len(products) != 2 || string(products[1].Body) != `{"the \"id\"":"b","Größe":3,"select":4}` {
		t.Errorf("got %s, error %v, want the products a and b", products, err)
	}
	for _, p := range products {
		if !json.Valid(p.Body) {
			t.Errorf("got %s, want JSON", p.Body)
		}
	}
}
