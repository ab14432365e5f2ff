package sqlsource_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"productindex/reindex"
	"productindex/source/sqlsource"
)

// records returns the ids and the rejections of a sequence.
func records(t *testing.T, seq iter.Seq2[reindex.Product, error]) (got []string) {
	t.Helper()
	for p, err := range seq {
		bad, ok := errors.AsType[*reindex.RecordError](err)
		switch {
		case ok:
			got = append(got, fmt.Sprintf("%s|%s|%v", bad.Where, bad.ID, bad.Err))
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, p.ID)
		}
	}
	return got
}

// A row that cannot be read is rejected with its place. The other rows are read, for every page size.
func testBadRows(t *testing.T, d database) {
	db := d.open(t)
	exec(
		t,
		db,
		"CREATE TABLE bad (id varchar(10), n integer, body "+d.text+")",
		"INSERT INTO bad VALUES ('a', 1, '{}'), (NULL, 2, '{}'), ('c', 3, NULL), ('d', 4, '{}'), (NULL, 5, NULL), "+
			"('f', 6, '{}')",
	)
	const noID, noID2 = `row without a value of id||` +
		`column "id": the id is NULL`, `row with n 2||column "id": the id is NULL`
	for _, test := range []struct {
		cfg  sqlsource.Config
		want []string
	}{
		{sqlsource.Config{}, []string{"a", "c", "d", "f", noID, noID}},
		{
			sqlsource.Config{Body: "body"},
			[]string{"a", `row with id "c"|c|column "body": the product is NULL`, "d", "f", noID, noID},
		},
		{sqlsource.Config{Key: "n"}, []string{"a", noID2, "c", "d", `row with n 5||column "id": the id is NULL`, "f"}},
		{sqlsource.Config{Key: "n", Body: "body"}, []string{
			"a", noID2, `row with n 3|c|column "body": the product is NULL`, "d", `row with n 5||column "id": the id is NULL`,
			"f",
		}},
	} {
		for _, rows := range []int{1, 2, 3, 6, 7, 0, -1} {
			cfg := test.cfg
			cfg.Dialect, cfg.PageRows, cfg.Query = d.dialect, rows, d.sql("SELECT id, n, body FROM bad WHERE $1 <> ''")
			snap := openShop(t, newSource(t, db, cfg))
			got := records(t, snap.Products(t.Context()))
			if rows < 0 { // one statement without an order
				if len(got) != len(test.want) {
					t.Errorf("one statement: got %q, want %d records", got, len(test.want))
				}
				continue
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("pages of %d by %q: got %q, want %q", rows, cfg.Key, got, test.want)
			}
			if n, err := snap.(reindex.Counter).Count(t.Context()); err != nil || n != int64(len(got)) {
				t.Errorf("counted %d rows, error %v, want %d", n, err, len(got))
			}
			if _, ok := snap.(reindex.Splitter); ok {
				got = nil
				_, seqs := parts(t, snap, 3)
				for _, seq := range seqs {
					got = append(got, records(t, seq)...)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("parts by %q: got %q, want %q", cfg.Key, got, test.want)
				}
			}
		}
	}
}

// Products are found and located by ids of every type. An id does not find another product that is equal in the
// column's type or collation, such as 007 for 7.
func testFind(t *testing.T, d database, columns map[string]string) {
	db := d.open(t)
	table := ""
	for column, values := range columns {
		table += "x"
		exec(t, db, "CREATE TABLE "+table+" (id "+column+")", "INSERT INTO "+table+" VALUES "+values)
		src := newSource(
			t,
			db,
			sqlsource.Config{Dialect: d.dialect, Query: d.sql("SELECT id FROM " + table + " WHERE $1 = 'shop'")},
		)
		snap := openShop(t, src)
		all := records(t, snap.Products(t.Context()))
		slices.Sort(all)
		for _, id := range all {
			if got := records(t, src.Find(t.Context(), "shop", id)); !slices.Equal(got, []string{id}) {
				t.Errorf("%s: found %q, want only the id %q", column, got, id)
			}
			places, err := snap.(reindex.Locator).Locate(t.Context(), id)
			if err != nil || len(places) != 1 || places[id] == "" {
				t.Errorf("%s: got the places %q, want one of the id %q, error %v", column, places, id, err)
			}
		}
		others := []string{
			"",
			" ",
			"nope",
			"0",
			"007",
			"+7",
			"7.0",
			"7 ",
			"A",
			"a ",
			"7abc",
			"99999999999999999999999",
			"-9223372036854775809",
			"a\x00",
			"\xff",
			"'",
			"6579C22F-BE2B-444C-A52B-0116DD82DF6C",
			"6579c22fbe2b444ca52b0116dd82df6c",
			"{6579c22f-be2b-444c-a52b-0116dd82df6c}",
		}
		others = slices.DeleteFunc(others, func(id string) bool { return slices.Contains(all, id) })
		if got := records(t, src.Find(t.Context(), "shop", others...)); len(got) != 0 {
			t.Errorf("%s: found %q for ids that no product has, want nothing", column, got)
		}
		got := records(t, src.Find(t.Context(), "shop", append(others, slices.Concat(all, all)...)...))
		slices.Sort(got)
		if !slices.Equal(got, all) {
			t.Errorf("%s: found %q for all ids, want %q", column, got, all)
		}
	}
	if n := db.Stats().InUse; n > len(columns) { // each snapshot holds one
		t.Errorf("%d connections are in use, want at most %d", n, len(columns))
	}
	testFindMany(t, d)
}

func testFindMany(t *testing.T, d database) {
	t.Helper()
	db := d.open(t)
	fill(t, db, d, 1000)
	src := newSource(
		t,
		db,
		sqlsource.Config{Dialect: d.dialect, Query: d.sql("SELECT id FROM products WHERE tenant = $1")},
	)
	var ids []string
	for n := range 2000 {
		ids = append(ids, fmt.Sprint(n))
	}
	n := 0
	for _, err := range src.Find(t.Context(), "shop", ids...) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; db.Stats().InUse != 0 {
			t.Fatal("Find holds a connection between two products")
		}
	}
	if n != 1000 {
		t.Errorf("found %d products, want 1000", n)
	}
	for _, err := range src.Find(t.Context(), "other", "1") {
		if !errors.Is(err, sqlsource.ErrUnknownTenant) {
			t.Errorf("another tenant: got %v, want ErrUnknownTenant", err)
		}
	}
}
