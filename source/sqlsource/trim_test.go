package sqlsource

import "testing"

func TestTrimQuery(t *testing.T) {
	for _, test := range []struct {
		dialect     Dialect
		query, want string
	}{
		{SQLite, "", ""},
		{SQLite, " ;; ", ""},
		{SQLite, "\n SELECT 1 ;\n", "SELECT 1"},
		{SQLite, "SELECT 1; -- done", "SELECT 1"},
		{SQLite, "SELECT 1; -- done; really\n-- yes\n", "SELECT 1"},
		{SQLite, "SELECT 1 /* done */; /* ; */", "SELECT 1"},
		{SQLite, "SELECT 1 /* never closed", "SELECT 1"},
		{SQLite, "SELECT 1 --", "SELECT 1"},
		{SQLite, "SELECT ';' -- '", "SELECT ';'"},
		{SQLite, "SELECT '--'", "SELECT '--'"},
		{SQLite, `SELECT "a;" FROM "b--"`, `SELECT "a;" FROM "b--"`},
		{SQLite, "SELECT 'it''s -- ;'; -- x", "SELECT 'it''s -- ;'"},
		{SQLite, `SELECT 'a\'; -- b'`, `SELECT 'a\'`},
		{SQLite, "-- first\nSELECT 1 -- x", "-- first\nSELECT 1"},
		{SQLite, "SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"}, // which the database refuses
		{SQLite, "SELECT a - -1", "SELECT a - -1"},
		{PostgreSQL, "SELECT 1 /* a /* b */ c */;", "SELECT 1"},
		{PostgreSQL, "SELECT $x$ -- ; $x$; -- $x$", "SELECT $x$ -- ; $x$"},
		{PostgreSQL, "SELECT $$;--$$ -- y", "SELECT $$;--$$"},
		{PostgreSQL, "SELECT a WHERE b = $1 -- $1", "SELECT a WHERE b = $1"},
		{PostgreSQL, "SELECT a$b$ -- ;", "SELECT a$b$"},
		{PostgreSQL, `SELECT E'\'; --' -- x`, `SELECT E'\'; --'`},
		{PostgreSQL, `SELECT name'; --' -- x`, `SELECT name'; --'`},
		{PostgreSQL, `SELECT '\' -- x`, `SELECT '\'`},
		{PostgreSQL, "SELECT '#' # 1", "SELECT '#' # 1"},
		{MySQL, `SELECT 'a\'; -- b'; -- c`, `SELECT 'a\'; -- b'`},
		{MySQL, "SELECT `;` # done", "SELECT `;`"},
		{MySQL, "SELECT 5--1", "SELECT 5--1"},
		{MySQL, "SELECT 1;-- x", "SELECT 1"},
		{MySQL, "SELECT id FROM p /*!50000 LIMIT 5 */ /* all */;", "SELECT id FROM p /*!50000 LIMIT 5 */"},
		{MySQL, "SELECT id FROM p /*M!100000 LIMIT 5 */;", "SELECT id FROM p /*M!100000 LIMIT 5 */"},
	} {
		if got := trimQuery(test.dialect, test.query); got != test.want {
			t.Errorf("%s: %q became %q, want %q", test.dialect, test.query, got, test.want)
		}
	}
}

// FuzzTrimQuery checks that trimming a trimmed query changes nothing, and that trimming removes no part of the query
// itself.
func FuzzTrimQuery(f *testing.F) {
	f.Add("SELECT 'a\\'; -- b' /* x */ # y\n;")
	f.Add("SELECT $a$ ; $a$ E'\\'' \"b\" `c` --")
	f.Fuzz(func(t *testing.T, query string) {
		for _, d := range []Dialect{PostgreSQL, MySQL, SQLite} {
			got := trimQuery(d, query)
			if again := trimQuery(d, got); again != got {
				t.Errorf("%s: %q became %q, and then %q, want no further change", d, query, got, again)
			}
			if with := trimQuery(d, got+"\n;-- x\n"); got != "" && len(with) < len(got) {
				t.Errorf("%s: %q became %q, want only the end trimmed", d, got, with)
			}
		}
	})
}
