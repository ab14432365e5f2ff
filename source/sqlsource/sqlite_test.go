package sqlsource_test

import (
	"strings"
	"testing"

	"productindex/source/sqlsource"
)

func testSQLiteTypes(t *testing.T, d database) {
	db := d.open(t)
	exec(
		t,
		db,
		`CREATE TABLE types (id INTEGER PRIMARY KEY, t TEXT, i INTEGER, r REAL, b BLOB, j JSON, yes BOOLEAN, no BOOL, `+
			`day DATE, at TIMESTAMP, any)`,
		`INSERT INTO types VALUES
			(1, 'größe "x"', 9223372036854775807, 0.1, x'00ff10', '{"a": [1, 2.50]}', 1, 0,
				'2024-02-29', '2024-02-29 12:34:56', 'text'),
			(2, null, NULL, 1e300, NULL, 'no json', 2, null, NULL, null, x'6162'),
			(3, '', -1, 9e999, x'', '[]', 1, 1, 'soon', 'later', 1.5),
			(4, '', 0, 0, NULL, jsonb('{"a": [1, 2.50]}'), 0, 0, '2024-02-29 12:34:56', '2024-02-29', jsonb('[1]')),
			(5, '', 0, 0, NULL, x'00ff10', 0, 0, '2024-02-29 00:00:00', '2024-02-29T12:34:56.789Z', NULL)`,
	)
	products, err := read(
		t,
		newSource(t, db, sqlsource.Config{Dialect: d.dialect, Query: "SELECT * FROM types WHERE ? <> ''"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"id":1,"t":"größe \"x\"","i":9223372036854775807,"r":0.1,"b":"AP8Q","j":{"a": [1, 2.50]},"yes":true,` +
			`"no":false,"day":"2024-02-29","at":"2024-02-29T12:34:56Z","any":"text"}`,
		`{"id":2,"t":null,"i":null,"r":1e+300,"b":null,"j":"no json","yes":2,"no":null,"day":null,"at":null,"any":"YWI="}`,
		`{"id":3,"t":"","i":-1,"r":null,"b":"","j":[],"yes":true,"no":true,"day":"soon","at":"later","any":1.5}`,
		`{"id":4,"t":"","i":0,"r":0,"b":null,"j":{"a":[1,2.50]},"yes":false,"no":false,"day":"2024-02-29T12:34:56Z",` +
			`"at":"2024-02-29T00:00:00Z","any":"KxMx"}`,
		`{"id":5,"t":"","i":0,"r":0,"b":null,"j":"AP8Q","yes":false,"no":false,"day":"2024-02-29",` +
			`"at":"2024-02-29T12:34:56.789Z","any":null}`,
	}
	for i, w := range want {
		if got := string(products[i].Body); got != w {
			t.Errorf("product %d is\n%s\nwant\n%s", i+1, got, w)
		}
	}
}

// SQLite's JSONB becomes JSON if the column has this type or the host sets it, also as the whole product. A binary id
// is rejected.
func testSQLiteBinary(t *testing.T, d database) {
	db := d.open(t)
	for query, test := range map[string]struct {
		cfg  sqlsource.Config
		want string
	}{
		`SELECT 'p' AS id, jsonb('{"a":1.50}') AS j`: {
			sqlsource.Config{Types: map[string]sqlsource.Type{"j": sqlsource.JSON}}, `{"id":"p","j":{"a":1.50}}`,
		},
		`SELECT 'p' AS id, jsonb('{"a":1.50}') AS body`: {
			sqlsource.Config{Body: "body", Types: map[string]sqlsource.Type{"body": sqlsource.JSON}}, `{"a":1.50}`,
		},
		`SELECT 'p' AS id, body FROM (SELECT body FROM binary)`: {sqlsource.Config{Body: "body"}, `{"a":1}`},
		`SELECT x'6162' AS id`: {sqlsource.Config{}, `the id is binary`},
		`SELECT 1.5 AS id`:     {sqlsource.Config{}, `an id cannot be a float64`},
	} {
		exec(
			t,
			db,
			"DROP TABLE IF EXISTS binary",
			"CREATE TABLE binary (body JSONB)",
			`INSERT INTO binary VALUES (jsonb('{"a":1}'))`,
		)
		cfg := test.cfg
		cfg.Dialect, cfg.Query, cfg.Args = d.dialect, query, func(string) []any { return nil }
		products, err := read(t, newSource(t, db, cfg))
		if err != nil && strings.Contains(err.Error(), test.want) && len(products) == 0 {
			continue
		}
		if err != nil || len(products) != 1 || string(products[0].Body) != test.want {
			t.Errorf("%s: got %s, error %v, want %s", query, products, err, test.want)
		}
	}
}
