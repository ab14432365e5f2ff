package sqlsource_test

import (
	"testing"

	"productindex/source/sqlsource"
)

func testSQLiteTypes(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, `CREATE TABLE types (id INTEGER PRIMARY KEY, t TEXT, i INTEGER, r REAL, b BLOB, j JSON, yes BOOLEAN, no BOOL, day DATE, at TIMESTAMP, any)`,
		`INSERT INTO types VALUES
			(1, 'größe "x"', 9223372036854775807, 0.1, x'00ff10', '{"a": [1, 2.50]}', 1, 0, '2024-02-29', '2024-02-29 12:34:56', 'text'),
			(2, null, NULL, 1e300, NULL, 'no json', 2, null, NULL, null, x'6162'),
			(3, '', -1, 9e999, x'', '[]', 1, 1, 'soon', 'later', 1.5)`)
	products, err := read(t, newSource(t, db, sqlsource.Config{Dialect: d.dialect, Query: "SELECT * FROM types WHERE ? <> ''"}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"id":1,"t":"größe \"x\"","i":9223372036854775807,"r":0.1,"b":"AP8Q","j":{"a": [1, 2.50]},"yes":true,"no":false,"day":"2024-02-29","at":"2024-02-29T12:34:56Z","any":"text"}`,
		`{"id":2,"t":null,"i":null,"r":1e+300,"b":null,"j":"no json","yes":2,"no":null,"day":null,"at":null,"any":"YWI="}`,
		`{"id":3,"t":"","i":-1,"r":null,"b":"","j":[],"yes":true,"no":true,"day":"soon","at":"later","any":1.5}`,
	}
	for i, w := range want {
		if got := string(products[i].Body); got != w {
			t.Errorf("product %d is\n%s, want\n%s", i+1, got, w)
		}
	}
}
