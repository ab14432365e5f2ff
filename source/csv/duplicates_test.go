package csv_test

import (
	"testing"

	"productindex/source/csv"
	"productindex/source/internal/sourcetest"
)

// A repeated record is harmless. Two different records with the same id are not.
func TestDuplicates(t *testing.T) {
	src := func(content string) *csv.Source { return newSource(t, map[string]string{"acme.csv": content}, nil) }
	sourcetest.Duplicates(t, "acme", src("id,name\n1,a\n2,b\n1,a\n"), src("id,name\n1,a\n2,b\n1,c\n"))
}
