package csv_test

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"productindex/source/csv"
	"productindex/source/internal/public"
)

// Callers of an API see the file, the line and the reason of an error.
func TestPublicMessages(t *testing.T) {
	for _, test := range []struct {
		name, content string
		cfg           *csv.Config
		want          string
	}{
		{"acme.csv", "id,name\n1,a\n2,\"b\n3,c\n", nil, "acme.csv, line 3: the quote that opens here is never closed"},
		{"acme/a.csv", "sku,name\n", nil, `acme/a.csv, line 1: there is no column "id"; the columns are ["sku" "name"]`},
		{"acme.csv", "", nil, "acme.csv, line 1: the file is empty"},
		{"acme.csv", "id,na\xffme\n", nil, "acme.csv, line 1: the name of column 2 is not valid text of the file's encoding"},
		{
			"acme.csv", "id,name\n1,\x83", &csv.Config{Encoding: japanese.ShiftJIS},
			"acme.csv, line 2: the file is cut off: its last character is not complete",
		},
		{"other.csv", "", nil, `no file for the tenant "acme"`},
	} {
		_, _, err := read(t, newSource(t, map[string]string{test.name: test.content}, test.cfg))
		if text, ok := public.Text(err); !ok || !strings.HasPrefix(text, test.want) {
			t.Errorf("%q: callers see %q of %v, want %q", test.content, text, err, test.want)
		}
	}
}
