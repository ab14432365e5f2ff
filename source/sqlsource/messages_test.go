package sqlsource_test

import (
	"strings"
	"testing"

	"productindex/source/internal/public"
	"productindex/source/sqlsource"
)

// Callers of an API see the rows and columns of an error, but no text of a driver.
func testPublicMessages(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE spoken (id varchar(20), k varchar(20), tenant varchar(20))",
		"INSERT INTO spoken VALUES ('1', 'a', 'shop'), ('2', 'a', 'shop'), ('3', NULL, 'null')")
	query := func(where string) string { return d.sql("SELECT id, k FROM spoken WHERE tenant " + where) }
	for _, test := range []struct {
		cfg  sqlsource.Config
		want string // "" if callers see no text
	}{
		{
			sqlsource.Config{Query: query("= $1"), Key: "k"},
			`after product "1", number 1 of the read: two rows have the key a: column "k" cannot be the key`,
		},
		{sqlsource.Config{Query: query("<> $1"), Key: "k"}, `column "k" is NULL in at least one row`},
		{sqlsource.Config{Query: query("= $1 AND id = 'none'")}, "unknown tenant: Config.Query returns no row for it"},
		{
			sqlsource.Config{Query: query("= $1"), Tenants: d.sql("SELECT 1 FROM spoken WHERE id = $1")},
			"unknown tenant: Config.Tenants returns no row for it",
		},
		{
			sqlsource.Config{Query: query("= $1"), ID: "sku"},
			`Config.Query: it has no column "sku" for Config.ID; its columns are id, k`,
		},
		{sqlsource.Config{Query: d.sql("SELECT hunter2 FROM spoken WHERE tenant = $1")}, ""},
	} {
		test.cfg.Dialect = d.dialect
		_, err := read(t, newSource(t, db, test.cfg))
		text, ok := public.Text(err)
		if err == nil || ok != (test.want != "") || !strings.HasPrefix(text, test.want) {
			t.Errorf("callers see %q of %v, want %q", text, err, test.want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	src, err := sqlsource.New(db, sqlsource.Config{Dialect: d.dialect, Query: query("= $1")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, src); err == nil {
		t.Error("reading a closed database returned no error")
	} else if text, ok := public.Text(err); ok {
		t.Errorf("callers see %q of %v, want nothing", text, err)
	}
}
