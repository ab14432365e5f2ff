package sqlsource_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
	"productindex/source/sqlsource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database is a kind of database under test.
type database struct {
	dialect sqlsource.Dialect
	open    func(tb testing.TB) *sql.DB
	blob    string // the type of binary columns
	series  string // a FROM item: the numbers 1 to %d as n
}

func postgres(tb testing.TB) database {
	dsn := pgtest.Start(tb)
	return database{
		dialect: sqlsource.PostgreSQL,
		open:    func(tb testing.TB) *sql.DB { return open(tb, "pgx", dsn) },
		blob:    "bytea",
		series:  "generate_series(1, %d) AS s(n)",
	}
}

func sqlite(tb testing.TB) database {
	dsn := "file:" + filepath.Join(tb.TempDir(), "shop.db") + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)"
	return database{
		dialect: sqlsource.SQLite,
		open:    func(tb testing.TB) *sql.DB { return open(tb, "sqlite", dsn) },
		blob:    "blob",
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
			tb.Fatalf("%s: %v", s, err)
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

// read returns what the source yields for the tenant "shop".
func read(tb testing.TB, src reindex.Source) ([]reindex.Product, error) {
	tb.Helper()
	var products []reindex.Product
	var failed error
	for p, err := range src.Products(tb.Context(), "shop") {
		if failed != nil {
			tb.Fatalf("the sequence went on after the error %v", failed)
		}
		if err != nil {
			failed = err
			continue
		}
		products = append(products, p)
	}
	return products, failed
}

func TestPostgreSQL(t *testing.T) {
	d := postgres(t)
	testDatabase(t, d)
	t.Run("Types", func(t *testing.T) { testPostgresTypes(t, d) })
	t.Run("Partitions", func(t *testing.T) { testPartitions(t, d) })
	t.Run("LostConnection", func(t *testing.T) { testLostConnection(t, d) })
	t.Run("ColumnTwice", func(t *testing.T) { testColumnTwice(t, d) })
	t.Run("Collation", func(t *testing.T) { testCollation(t, d) })
	t.Run("ManyProducts", func(t *testing.T) { testSnapshot(t, d, 200_000) })
}

func TestSQLite(t *testing.T) {
	d := sqlite(t)
	testDatabase(t, d)
	t.Run("Types", func(t *testing.T) { testSQLiteTypes(t, d) })
	t.Run("NoPartitions", func(t *testing.T) {
		src := newSource(t, d.open(t), sqlsource.Config{Dialect: d.dialect, Query: "SELECT 1 AS id"})
		if _, err := src.Partitions(t.Context(), "shop", 2); !errors.Is(err, errors.ErrUnsupported) {
			t.Fatal(err)
		}
	})
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
	t.Run("QuotedNames", func(t *testing.T) { testQuotedNames(t, d) })
}

func testConformance(t *testing.T, d database, pageRows int) {
	db := d.open(t)
	exec(t, db, "DROP TABLE IF EXISTS conformance", "DROP TABLE IF EXISTS tenants",
		"CREATE TABLE conformance (tenant text, id text, body text, PRIMARY KEY (tenant, id))", "CREATE TABLE tenants (name text)")
	tenants := 0
	reindextest.TestSource(t, func(t *testing.T, products []reindex.Product) reindextest.SourceFixture {
		t.Helper()
		tenants++
		tenant := fmt.Sprintf("tenant%d", tenants)
		if _, err := db.ExecContext(t.Context(), "INSERT INTO tenants VALUES ($1)", tenant); err != nil {
			t.Fatal(err)
		}
		for _, p := range products {
			if _, err := db.ExecContext(t.Context(), "INSERT INTO conformance VALUES ($1, $2, $3)", tenant, p.ID, string(p.Body)); err != nil {
				t.Fatal(err)
			}
		}
		return reindextest.SourceFixture{Tenant: tenant, Source: newSource(t, db, sqlsource.Config{
			Dialect:  d.dialect,
			Query:    "SELECT id, body FROM conformance WHERE tenant = $1; ",
			Tenants:  "SELECT 1 FROM tenants WHERE name = $1",
			Body:     "body",
			PageRows: pageRows,
		})}
	}, nil)
}

// Whatever the number of products and the size of the pages, every product comes once, in the order of the key.
func testPages(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE pages (id integer PRIMARY KEY)")
	for n := 1; n <= 13; n++ {
		exec(t, db, fmt.Sprintf("INSERT INTO pages VALUES (%d)", n))
		for _, size := range []int{1, 2, 3, 4, 6, 12, 13, 14, -1} {
			src := newSource(t, db, sqlsource.Config{
				Dialect: d.dialect, PageRows: size, Query: "SELECT id FROM pages -- all tenants", Args: func(string) []any { return nil },
			})
			products, err := read(t, src)
			if err != nil || len(products) != n {
				t.Fatalf("%d rows, pages of %d: %d products, error %v", n, size, len(products), err)
			}
			for i, p := range products {
				if want := fmt.Sprint(i + 1); p.ID != want || string(p.Body) != `{"id":`+want+`}` {
					t.Fatalf("%d rows, pages of %d: product %d is %q, %s", n, size, i, p.ID, p.Body)
				}
			}
			if count, err := src.Count(t.Context(), "shop"); err != nil || count != int64(n) {
				t.Fatalf("count is %d, error %v", count, err)
			}
		}
	}
}

// A key that would lose products when paged by is an error, wherever the pages end.
func testKeys(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE keys (id integer PRIMARY KEY, twice integer, empty integer)")
	for n := range 9 {
		exec(t, db, fmt.Sprintf("INSERT INTO keys VALUES (%d, %d, %d)", n, n/2, n))
	}
	exec(t, db, "UPDATE keys SET empty = NULL WHERE id = 5")
	for _, key := range []string{"twice", "empty"} {
		for size := 1; size < 12; size++ {
			products, err := read(t, newSource(t, db, sqlsource.Config{
				Dialect: d.dialect, PageRows: size, Key: key, Query: "SELECT * FROM keys WHERE $1 <> ''",
			}))
			if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
				t.Errorf("pages of %d by %s: %d products, error %v", size, key, len(products), err)
			}
		}
	}
}

func testMistakes(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE mistakes (id integer PRIMARY KEY, price float, absent text, data "+d.blob+")", "INSERT INTO mistakes (id, price) VALUES (1, 1.5)")
	for query, test := range map[string]struct {
		cfg  sqlsource.Config
		want string
	}{
		"SELECT id FRO mistakes":                  {want: "Config.Query"},
		"SELECT id FROM no_such_table":            {want: "no_such_table"},
		"SELECT id AS sku FROM mistakes":          {want: `no column "id" for Config.ID; its columns are sku`},
		"SELECT id, absent FROM mistakes":         {cfg: sqlsource.Config{ID: "absent", PageRows: -1}, want: `column "absent": the id is NULL`},
		"SELECT id, price FROM mistakes":          {cfg: sqlsource.Config{ID: "price"}, want: "cast it to text"},
		"SELECT id, absent FROM mistakes LIMIT 1": {cfg: sqlsource.Config{Body: "absent"}, want: `product "1", column "absent": the product is NULL`},
		"SELECT id, price FROM mistakes LIMIT 1":  {cfg: sqlsource.Config{Body: "price"}, want: `product "1", column "price": a product can not be a float64`},
		"SELECT id FROM mistakes WHERE id = 2":    {want: "unknown tenant"},
		"SELECT id FROM mistakes WHERE id = 3":    {cfg: sqlsource.Config{Tenants: "SELECT bad"}, want: "Config.Tenants"},
		"SELECT id, 1 AS body FROM mistakes":      {cfg: sqlsource.Config{Key: "sku", Body: "document"}, want: `no column "document" for Config.Body`},
	} {
		cfg := test.cfg
		cfg.Dialect, cfg.Query, cfg.Args = d.dialect, query, func(string) []any { return nil }
		products, err := read(t, newSource(t, db, cfg))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `"shop"`) {
			t.Errorf("%s: %d products, error %v; want one with %q", query, len(products), err, test.want)
		}
	}
}

func testUnknownTenant(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE shops (name text)", "INSERT INTO shops VALUES ('shop')")
	cfg := sqlsource.Config{Dialect: d.dialect, Query: "SELECT name AS id FROM shops WHERE name = $1 AND name = ''"}
	if _, err := read(t, newSource(t, db, cfg)); !errors.Is(err, sqlsource.ErrUnknownTenant) {
		t.Errorf("without a way to know the tenant: %v", err)
	}
	cfg.Tenants = "SELECT 1 FROM shops WHERE name = $1"
	src := newSource(t, db, cfg)
	if products, err := read(t, src); err != nil || len(products) != 0 {
		t.Errorf("an empty tenant: %d products, error %v", len(products), err)
	}
	for _, err := range src.Products(t.Context(), "other") {
		if !errors.Is(err, sqlsource.ErrUnknownTenant) {
			t.Errorf("another tenant: %v", err)
		}
	}
	if _, err := src.Count(t.Context(), "other"); !errors.Is(err, sqlsource.ErrUnknownTenant) {
		t.Errorf("counting another tenant: %v", err)
	}
}

// A sequence holds its connection no longer than it is read, however that ends.
func testReleases(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE releases (id integer PRIMARY KEY)", "INSERT INTO releases VALUES (1), (2), (3)")
	src := newSource(t, db, sqlsource.Config{
		Dialect: d.dialect, PageRows: 2, Query: "SELECT id FROM releases", Args: func(string) []any { return nil },
	})
	idle := func(when string) {
		t.Helper()
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%s: %d connections are in use", when, n)
		}
	}
	for stop := 1; stop <= 3; stop++ {
		n := 0
		for _, err := range src.Products(t.Context(), "shop") {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
		idle(fmt.Sprintf("stopped after %d", stop))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range src.Products(ctx, "shop") {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled in the middle: %v", last)
	}
	// The connection of a cancelled transaction comes back a little later.
	db.SetMaxOpenConns(1)
	wait, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := db.PingContext(wait); err != nil {
		t.Errorf("the connection of a cancelled read: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		for range src.Products(t.Context(), "shop") {
			panic("the consumer's own")
		}
	}()
	idle("after a panic")
}

// Names that need quotes, and names made to break out of them, are only names.
func testQuotedNames(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, `CREATE TABLE names ("the ""id""" text PRIMARY KEY, "Größe" integer, "select" integer)`, `INSERT INTO names VALUES ('a', 1, 2), ('b', 3, 4)`)
	products, err := read(t, newSource(t, db, sqlsource.Config{
		Dialect: d.dialect, ID: `the "id"`, PageRows: 1, Query: "SELECT * FROM names WHERE $1 <> ''",
	}))
	if err != nil || len(products) != 2 || string(products[1].Body) != `{"the \"id\"":"b","Größe":3,"select":4}` {
		t.Errorf("%s, error %v", products, err)
	}
	for _, p := range products {
		if !json.Valid(p.Body) {
			t.Errorf("%s is no JSON", p.Body)
		}
	}
}

// testSnapshot changes the table between any two pages and reads what was there before the first change.
func testSnapshot(t *testing.T, d database, total int) {
	reader, writer := d.open(t), d.open(t)
	fill(t, writer, d, total)
	src := newSource(t, reader, sqlsource.Config{Dialect: d.dialect, Query: "SELECT id, name, price FROM products WHERE tenant = $1"})
	n, ids := 0, make([]bool, total+1)
	for p, err := range src.Products(t.Context(), "shop") {
		if err != nil {
			t.Fatal(err)
		}
		checkProduct(t, p, ids)
		if n%1000 == 0 {
			change(t, writer, total, n/1000)
		}
		n++
	}
	if n != total {
		t.Fatalf("%d products, want the %d of the snapshot", n, total)
	}
	if after, err := src.Count(t.Context(), "shop"); err != nil || after == int64(total) {
		t.Fatalf("%d products now, error %v: the test changed nothing", after, err)
	}
}

// fill makes a table with products 1 to total.
func fill(tb testing.TB, db *sql.DB, d database, total int) {
	tb.Helper()
	exec(tb, db, "DROP TABLE IF EXISTS products",
		"CREATE TABLE products (tenant text, id integer, name text, price numeric(10,2), PRIMARY KEY (tenant, id))",
		"INSERT INTO products SELECT 'shop', n, 'Product ' || n, n + 0.5 FROM "+fmt.Sprintf(d.series, total))
	if d.dialect == sqlsource.PostgreSQL {
		exec(tb, db, "ANALYZE products")
	}
}

// change removes products before and after where a read can be, adds others, and changes the rest.
func change(tb testing.TB, db *sql.DB, total, round int) {
	tb.Helper()
	low, high := round*10+1, total-round*20
	exec(tb, db,
		fmt.Sprintf("DELETE FROM products WHERE id BETWEEN %d AND %d OR id BETWEEN %d AND %d", low, low+9, high-19, high),
		fmt.Sprintf("INSERT INTO products VALUES ('shop', %d, 'new', 0), ('shop', %d, 'new', 0)", -round-1, total+round+1),
		fmt.Sprintf("UPDATE products SET name = 'changed' WHERE id BETWEEN %d AND %d", high-200, high))
}

// checkProduct checks that a product is as fill made it, and comes for the first time.
func checkProduct(tb testing.TB, p reindex.Product, seen []bool) {
	tb.Helper()
	var n int
	if _, err := fmt.Sscan(p.ID, &n); err != nil || n < 1 || n >= len(seen) || seen[n] {
		tb.Fatalf("product %q is not of the snapshot, or came twice", p.ID)
	}
	seen[n] = true
	if want := fmt.Sprintf(`{"id":%d,"name":"Product %d","price":%d.5`, n, n, n); !strings.HasPrefix(string(p.Body), want) {
		tb.Fatalf("product %d is %s, want %s...", n, p.Body, want)
	}
}

func TestConfig(t *testing.T) {
	for want, cfg := range map[string]sqlsource.Config{
		"Config.Dialect is not set":  {Query: "SELECT 1"},
		`Config.Dialect is "Oracle"`: {Query: "SELECT 1", Dialect: "Oracle"},
		"Config.Query is not set":    {Dialect: sqlsource.SQLite, Query: " ; "},
	} {
		if _, err := sqlsource.New(nil, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	all := sqlsource.Config{}
	if _, err := sqlsource.New(nil, all); err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), "Config.Query is not set") {
		t.Errorf("not every setting is named: %v", err)
	}
}
