package sqlsource_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/source/sqlsource"
)

func testPostgresTypes(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TYPE color AS ENUM ('red', 'dark \"blue\"')", "CREATE TYPE size AS (width int, label text)")
	for expr, want := range map[string]string{
		"NULL::text":                `null`,
		"'größe \"x\" \\ \n'::text": `"größe \"x\" \\ \n"`,
		"'ab'::char(4)":             `"ab  "`,
		"true":                      `true`,
		"32767::int2":               `32767`,
		"9223372036854775807::int8": `9223372036854775807`,
		"0.1::float4":               `0.1`,
		"0.1::float8":               `0.1`,
		"'NaN'::float8":             `null`,
		"'-Infinity'::float4":       `null`,
		"19.90::numeric":            `19.90`,
		"-0.5::numeric":             `-0.5`,
		"1234567890123456789012345.678901::numeric": `1234567890123456789012345.678901`,
		"'NaN'::numeric":                               `null`,
		`'{"a": [1, 2.50]}'::json`:                     `{"a": [1, 2.50]}`,
		`'{"a": 9007199254740993}'::jsonb`:             `{"a": 9007199254740993}`,
		`'null'::jsonb`:                                `null`,
		"'2024-02-29 12:34:56.789+02'::timestamptz":    `"2024-02-29T10:34:56.789Z"`,
		"'2024-02-29 12:34:56'::timestamp":             `"2024-02-29T12:34:56Z"`,
		"'2024-02-29'::date":                           `"2024-02-29"`,
		"'12:34:56'::time":                             `"12:34:56"`,
		"'infinity'::timestamptz":                      `null`,
		"'-infinity'::timestamp":                       `null`,
		"'infinity'::date":                             `null`,
		"'-infinity'::numeric":                         `null`,
		"'0044-03-15 BC'::date":                        `null`,
		"'12024-03-15'::date":                          `null`,
		"'90 minutes'::interval":                       `"01:30:00"`,
		`'\x00ff10'::bytea`:                            `"AP8Q"`,
		"'6579c22f-be2b-444c-a52b-0116dd82df6c'::uuid": `"6579c22f-be2b-444c-a52b-0116dd82df6c"`,
		"ARRAY['a', NULL, 'b \"c\", {d}']::text[]":     `["a",null,"b \"c\", {d}"]`,
		"ARRAY[[1,2],[3,4]]":                           `[[1,2],[3,4]]`,
		"ARRAY[1.10, 2]::numeric[]":                    `[1.10,2]`,
		"ARRAY[]::int[]":                               `[]`,
		"'dark \"blue\"'::color":                       `"dark \"blue\""`,
		"ROW(3, 'L')::size":                            `{"width":3,"label":"L"}`,
		"'[1,5)'::int4range":                           `"[1,5)"`,
		"'10.0.0.0/8'::cidr":                           `"10.0.0.0/8"`,
	} {
		products, err := read(t, newSource(t, db, sqlsource.Config{
			Dialect: d.dialect, Query: "SELECT 'p' AS id, " + expr + " AS value WHERE $1 <> ''",
		}))
		if err != nil || len(products) != 1 {
			t.Errorf("%s: got %d products, error %v, want 1", expr, len(products), err)
			continue
		}
		if got, want := string(products[0].Body), `{"id":"p","value":`+want+`}`; got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
	testPostgresKeys(t, d)
}

// A column of a type whose values have several texts cannot be the id. A key can have any type with an order.
func testPostgresKeys(t *testing.T, d database) {
	t.Helper()
	db := d.open(t)
	exec(t, db, "CREATE TYPE shade AS ENUM ('red', 'dark \"blue\"')")
	for _, expr := range []string{`'\x00ff'::bytea`, "true", "1.5::float8", "now()", "ARRAY['a']", "'10.0.0.1'::inet"} {
		_, err := read(
			t,
			newSource(t, db, sqlsource.Config{Dialect: d.dialect, Query: "SELECT " + expr + " AS id WHERE $1 <> ''"}),
		)
		if err == nil || !strings.Contains(err.Error(), "cannot be the id") {
			t.Errorf("%s as an id: got %v, want an error", expr, err)
		}
	}
	for key, want := range map[string]string{
		"n::int8": "1 2 3 4 5", "(n + 0.25)::numeric(5,2)": "1.25 2.25 3.25 4.25 5.25", "('k' || n)::text": "k1 k2 k3 k4 k5",
		"('00000000-0000-0000-0000-00000000000' || n)::uuid": "", "(n || '')::char(3)": "1 2 3 4 5",
		"(ARRAY['red','dark \"blue\"'])[n]::shade": "-",
	} {
		total := 5
		if want == "-" {
			total = 2
		}
		products, err := read(t, newSource(t, db, sqlsource.Config{
			Dialect:  d.dialect,
			PageRows: 1,
			Query:    fmt.Sprintf("SELECT %s AS id FROM generate_series(1, %d) AS s(n) WHERE $1 <> ''", key, total),
		}))
		ids := make([]string, len(products))
		for i, p := range products {
			ids[i] = p.ID
		}
		if got := strings.Join(ids, " "); err != nil || len(products) != total || len(want) > 1 && got != want {
			t.Errorf("key %s: got ids %q, error %v, want %d: %q", key, ids, err, total, want)
		}
	}
	// Timestamps can be keys, because they keep their microseconds.
	products, err := read(t, newSource(t, db, sqlsource.Config{
		Dialect:  d.dialect,
		PageRows: 2,
		Key:      "at",
		Query: "SELECT n AS id, 'now'::timestamptz + n * interval '1 microsecond' AS at FROM generate_series(1, 5) " +
			"AS s(n) WHERE $1 <> ''",
	}))
	if err != nil || len(products) != 5 {
		t.Errorf("timestamps as keys: got %d products, error %v, want 5", len(products), err)
	}
}

// Texts that are equal in a collation could swap their places between two pages. No text is lost without an error.
func testCollation(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
		"CREATE TABLE collated (id text COLLATE nocase)", "INSERT INTO collated VALUES ('a'), ('A'), ('b'), ('B'), ('c')")
	for size := 1; size < 7; size++ {
		products, err := read(t, newSource(t, db, sqlsource.Config{
			Dialect: d.dialect, PageRows: size, Query: "SELECT id FROM collated WHERE $1 <> ''",
		}))
		ids := map[string]bool{}
		for _, p := range products {
			ids[p.ID] = true
		}
		if err == nil && len(ids) != 5 {
			t.Errorf("pages of %d: got %v without an error, want all products or an error", size, ids)
		}
	}
}

// parts splits a snapshot into at most n parts.
func parts(t *testing.T, snap reindex.Snapshot, n int) (names []string, seqs []iter.Seq2[reindex.Product, error]) {
	t.Helper()
	splitter, ok := reindex.As[reindex.Splitter](snap)
	if !ok {
		t.Fatal("the snapshot cannot be split")
	}
	names, err := splitter.Split(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		seqs = append(seqs, splitter.Part(t.Context(), name))
	}
	return names, seqs
}

func testParts(t *testing.T, d database) {
	const total = 10_000
	reader, writer := d.open(t), d.open(t)
	fill(t, writer, d, total)
	src := newSource(t, reader, sqlsource.Config{
		Dialect: d.dialect, PageRows: 500, Query: "SELECT id, name, price FROM products WHERE tenant = $1",
	})
	snap := openShop(t, src)
	_, seqs := parts(t, snap, 3)
	if len(seqs) != 3 {
		t.Fatalf("got %d parts, want 3", len(seqs))
	}
	if n := reader.Stats().InUse; n != 1 {
		t.Errorf("%d connections are in use before a part is read, want 1", n)
	}
	ids := make([]bool, total+1)
	sizes := interleave(t, seqs, func(i int, p reindex.Product) {
		checkProduct(t, p, ids)
		if i%500 == 0 {
			change(t, writer, total, i/500)
		}
	})
	sum := 0
	for _, n := range sizes {
		if sum += n; n < total/3-1 || n > total/3+1 {
			t.Errorf("the sizes of the parts are %v, want %d products in three equal parts", sizes, total)
		}
	}
	if sum != total {
		t.Errorf("got %d products, want the %d of the snapshot", sum, total)
	}
	if n := reader.Stats().InUse; n != 1 {
		t.Errorf("%d connections are in use after the parts have been read, want 1", n)
	}
	testSkewedKeys(t, d)
	testPartLimits(t, d)
	testPartNames(t, d)
}

// interleave reads one product of each sequence in turn, and returns the lengths of the sequences.
func interleave(t *testing.T, seqs []iter.Seq2[reindex.Product, error], visit func(i int, p reindex.Product)) []int {
	t.Helper()
	sizes, total := make([]int, len(seqs)), 0
	nexts := make([]func() (reindex.Product, error, bool), len(seqs))
	for i, seq := range seqs {
		next, stop := iter.Pull2(seq)
		defer stop()
		nexts[i] = next
	}
	for open := len(nexts); open > 0; {
		for i, next := range nexts {
			if next == nil {
				continue
			}
			p, err, ok := next()
			if !ok {
				nexts[i], open = nil, open-1
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			visit(total, p)
			sizes[i]++
			total++
		}
	}
	return sizes
}

func testPartLimits(t *testing.T, d database) {
	t.Helper()
	db := d.open(t)
	exec(t, db, "CREATE TABLE few (id integer PRIMARY KEY)", "INSERT INTO few VALUES (1), (2), (3)")
	cfg := sqlsource.Config{Dialect: d.dialect, Query: "SELECT id FROM few WHERE $1 = 'shop'"}
	src := newSource(t, db, cfg)
	names, seqs := parts(t, openShop(t, src), 8)
	n := 0
	interleave(t, seqs, func(int, reindex.Product) { n++ })
	if len(names) != 3 || n != 3 {
		t.Errorf("got %d parts and %d products, want 3 and 3", len(names), n)
	}
	cfg.PageRows = -1
	if _, ok := reindex.As[reindex.Splitter](openShop(t, newSource(t, db, cfg))); ok {
		t.Error("a source without pages has parts")
	}
}

// Another process can read a part by its name. It reads the state of the first snapshot while that is open, and then
// the state of its own snapshot.
func testPartNames(t *testing.T, d database) {
	t.Helper()
	here, there, writer := d.open(t), d.open(t), d.open(t)
	exec(t, writer, "CREATE TABLE named (id text PRIMARY KEY)", "INSERT INTO named VALUES ('a'), ('b'), ('c'), ('d')")
	cfg := sqlsource.Config{Dialect: d.dialect, Query: "SELECT id FROM named WHERE $1 = 'shop'"}
	first, err := newSource(t, here, cfg).Open(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	names, _ := parts(t, first, 2)
	exec(t, writer, "INSERT INTO named VALUES ('aa'), ('cc')")
	second := openShop(t, newSource(t, there, cfg)).(reindex.Splitter)
	ids := func() (ids []string) {
		for _, name := range names {
			for p, err := range second.Part(t.Context(), name) {
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, p.ID)
			}
		}
		return ids
	}
	if got := ids(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("while the first snapshot is open, got %q, want its ids", got)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(); !slices.Equal(got, []string{"a", "aa", "b", "c", "cc", "d"}) {
		t.Errorf("after the first snapshot was closed, got %q, want the ids of the second one", got)
	}
}

// Parts have equal numbers of products for every distribution of the keys.
func testSkewedKeys(t *testing.T, d database) {
	t.Helper()
	const total = 1000
	db := d.open(t)
	table := 0
	for name, keys := range map[string]string{
		"one range is dense":  "CASE WHEN n <= 990 THEN n ELSE n * 1000000000 END",
		"almost all are high": "CASE WHEN n = 1 THEN -9000000000000000000 ELSE 9000000000000000000 + n END",
		"texts of one start":  "CASE WHEN n % 100 = 0 THEN chr((97 + n / 100)::integer) ELSE 'zzzzzzzzzzzz' || n END",
	} {
		kind := "bigint"
		if strings.Contains(keys, "chr") {
			kind = "text"
		}
		table++
		exec(t, db, fmt.Sprintf("CREATE TABLE skewed%d (id %s PRIMARY KEY)", table, kind), fmt.Sprintf(
			"INSERT INTO skewed%d SELECT %s FROM generate_series(1::bigint, %d) AS s(n)", table, keys, total))
		query := fmt.Sprintf("SELECT id FROM skewed%d WHERE $1 = 'shop'", table)
		src := newSource(t, db, sqlsource.Config{Dialect: d.dialect, Query: query})
		for _, n := range []int{2, 7, 64, total, total + 1} {
			_, seqs := parts(t, openShop(t, src), n)
			want, sum := min(n, total), 0
			if len(seqs) != want {
				t.Errorf("%s: got %d parts, want %d", name, len(seqs), want)
			}
			for _, size := range interleave(t, seqs[:min(3, len(seqs))], func(int, reindex.Product) { sum++ }) {
				if size < total/want || size > total/want+1 {
					t.Errorf("%s: one of %d parts has %d of %d products, want an equal share", name, want, size, total)
				}
			}
		}
	}
}
