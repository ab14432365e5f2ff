package sqlsource_test

import (
	"strings"
	"testing"

	"productindex/source/sqlsource"
)

// Config.Types applies in every database.
func testHostTypes(t *testing.T, d database) {
	cfg := sqlsource.Config{
		Dialect: d.dialect,
		Query: d.sql(
			`SELECT 'p' AS id, '{"a": 1.50}' AS object, 'no json' AS text, 1 AS yes, 0 AS no, 2 AS two WHERE $1 <> ''`,
		),
		Types: map[string]sqlsource.Type{
			"object": sqlsource.JSON,
			"text":   sqlsource.JSON,
			"yes":    sqlsource.Boolean,
			"no":     sqlsource.Boolean,
			"two":    sqlsource.Boolean,
		},
	}
	products, err := read(t, newSource(t, d.open(t), cfg))
	if want := `{"id":"p","object":{"a": 1.50},"text":"no json","yes":true,"no":false,"two":2}`; err != nil ||
		len(products) != 1 ||
		string(products[0].Body) != want {
		t.Errorf("got %s, error %v, want %s", products, err, want)
	}
	cfg.Types = map[string]sqlsource.Type{"objects": sqlsource.JSON}
	if _, err := read(t, newSource(t, d.open(t), cfg)); err == nil ||
		!strings.Contains(err.Error(), `no column "objects" for Config.Types`) {
		t.Error(err)
	}
}
