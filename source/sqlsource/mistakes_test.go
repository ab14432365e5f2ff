package sqlsource_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/source/sqlsource"
)

// A key that is not unique or is NULL in some row would lose products between pages. It is an error for every page
// size.
func testKeys(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE \"keys\" (id integer PRIMARY KEY, twice integer, empty integer)")
	for n := range 9 {
		exec(t, db, fmt.Sprintf("INSERT INTO \"keys\" VALUES (%d, %d, %d)", n, n/2, n))
	}
	exec(t, db, "UPDATE \"keys\" SET empty = NULL WHERE id = 5")
	for _, key := range []string{"twice", "empty"} {
		for size := 1; size < 12; size++ {
			products, err := read(t, newSource(t, db, sqlsource.Config{
				Dialect: d.dialect, PageRows: size, Key: key, Query: d.sql(`SELECT id, twice, empty FROM "keys" WHERE $1 <> ''`),
			}))
			if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
				t.Errorf("pages of %d by %s: got %d products and error %v, want one that names the key",
					size, key, len(products), err)
			}
		}
	}
}

func testMistakes(t *testing.T, d database) {
	db := d.open(t)
	exec(
		t,
		db,
		"CREATE TABLE mistakes (id integer PRIMARY KEY, price double precision, absent text, data "+d.blob+")",
		"INSERT INTO mistakes (id, price) VALUES (1, 1.5)",
	)
	for query, test := range map[string]struct {
		cfg  sqlsource.Config
		want string
	}{
		"SELECT id FRO mistakes":         {want: "Config.Query"},
		"SELECT id FROM no_such_table":   {want: "no_such_table"},
		"SELECT id AS sku FROM mistakes": {want: `no column "id" for Config.ID; its columns are sku`},
		"SELECT id, absent FROM mistakes": {
			cfg:  sqlsource.Config{ID: "absent"},
			want: `row without a value of absent: the record cannot be read: column "absent": the id is NULL`,
		},
		"SELECT id, price FROM mistakes": {cfg: sqlsource.Config{ID: "price"}, want: "cast it to a text"},
		"SELECT id, absent FROM mistakes LIMIT 1": {
			cfg:  sqlsource.Config{Body: "absent"},
			want: `row with id 1: product "1": the record cannot be read: column "absent": the product is NULL`,
		},
		"SELECT id, price FROM mistakes LIMIT 1": {
			cfg: sqlsource.Config{Body: "price"}, want: `column "price": a product cannot be a float64`,
		},
		"SELECT id FROM mistakes WHERE id = 2": {want: "unknown tenant"},
		"SELECT id FROM mistakes WHERE id = 3": {cfg: sqlsource.Config{Tenants: "SELECT bad"}, want: "Config.Tenants"},
		"SELECT id, 1 AS body FROM mistakes": {
			cfg: sqlsource.Config{Key: "sku", Body: "document"}, want: `no column "document" for Config.Body`,
		},
	} {
		cfg := test.cfg
		cfg.Dialect, cfg.Query, cfg.Args = d.dialect, query, func(string) []any { return nil }
		products, err := read(t, newSource(t, db, cfg))
		if err == nil || !strings.Contains(err.Error(), test.want) ||
			!isRecord(err) && !strings.Contains(err.Error(), `"shop"`) {
			t.Errorf("%s: got %d products, error %v; want one with %q", query, len(products), err, test.want)
		}
	}
}

// isRecord reports whether an error is a rejection of one record.
func isRecord(err error) bool {
	_, ok := errors.AsType[*reindex.RecordError](err)
	return ok
}

func testUnknownTenant(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE shops (name text)", "INSERT INTO shops VALUES ('shop')")
	cfg := sqlsource.Config{Dialect: d.dialect, Query: d.sql("SELECT name AS id FROM shops WHERE name = $1 AND name = ''")}
	if _, err := read(t, newSource(t, db, cfg)); !errors.Is(err, sqlsource.ErrUnknownTenant) {
		t.Errorf("no rows and no Config.Tenants: got %v, want ErrUnknownTenant", err)
	}
	cfg.Tenants = d.sql("SELECT 1 FROM shops WHERE name = $1")
	src := newSource(t, db, cfg)
	if products, err := read(t, src); err != nil || len(products) != 0 {
		t.Errorf("an empty tenant: got %d products, error %v, want none", len(products), err)
	}
	if _, err := src.Open(t.Context(), "other"); !errors.Is(err, sqlsource.ErrUnknownTenant) {
		t.Errorf("another tenant: got %v, want ErrUnknownTenant", err)
	}
}

// Two columns with the same name would become two members with the same name, and are an error. SQLite renames the
// second one.
func testColumnTwice(t *testing.T, d database, want string) {
	_, err := read(
		t,
		newSource(t, d.open(t), sqlsource.Config{Dialect: d.dialect, Query: d.sql("SELECT $1 AS id, 1 AS size, 2 AS size")}),
	)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestConfig(t *testing.T) {
	for want, cfg := range map[string]sqlsource.Config{
		"Config.Dialect is not set":  {Query: "SELECT 1"},
		`Config.Dialect is "Oracle"`: {Query: "SELECT 1", Dialect: "Oracle"},
		`Config.Types["active"] is "BOOL"`: {
			Query: "SELECT 1", Dialect: sqlsource.MySQL, Types: map[string]sqlsource.Type{"active": "BOOL"},
		},
		"Config.Query is not set": {Dialect: sqlsource.SQLite, Query: " ; "},
	} {
		if _, err := sqlsource.New(nil, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", cfg, err, want)
		}
	}
	all := sqlsource.Config{}
	_, err := sqlsource.New(nil, all)
	if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), "Config.Query is not set") {
		t.Errorf("got error %v, want one that names every setting", err)
	}
}
