package sqlsource_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/source/sqlsource"
)

// testSnapshot changes the table during the read, and checks that the read returns the rows from before the changes.
func testSnapshot(t *testing.T, d database, total int) {
	reader, writer := d.open(t), d.open(t)
	fill(t, writer, d, total)
	src := newSource(
		t,
		reader,
		sqlsource.Config{Dialect: d.dialect, Query: d.sql("SELECT id, name, price FROM products WHERE tenant = $1")},
	)
	n, ids := 0, make([]bool, total+1)
	for p, err := range openShop(t, src).Products(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		checkProduct(t, p, ids)
		if n%1000 == 0 {
			change(t, writer, total, n/1000)
		}
		n++
	}
	if n != total {
		t.Fatalf("got %d products, want the %d of the snapshot", n, total)
	}
	if after, err := count(t, src); err != nil || after == int64(total) {
		t.Fatalf("counted %d products after the changes, error %v, want another number than before", after, err)
	}
}

// A snapshot has the state at the time of Open, not at the time of its first read.
func testMoment(t *testing.T, d database) {
	reader, writer := d.open(t), d.open(t)
	fill(t, writer, d, 10)
	snap := openShop(
		t,
		newSource(
			t,
			reader,
			sqlsource.Config{Dialect: d.dialect, Query: d.sql("SELECT id, name, price FROM products WHERE tenant = $1")},
		),
	)
	exec(t, writer, "DELETE FROM products WHERE id > 5", "INSERT INTO products VALUES ('shop', 11, 'new', 0)")
	if n, err := snap.(reindex.Counter).Count(t.Context()); err != nil || n != 10 {
		t.Errorf("counted %d products, error %v, want 10", n, err)
	}
	ids := make([]bool, 11)
	for p, err := range snap.Products(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		checkProduct(t, p, ids)
	}
	if slices.Contains(ids[1:], false) {
		t.Errorf("got the products %v, want all ten", ids[1:])
	}
	places, err := snap.(reindex.Locator).Locate(t.Context(), "10", "11")
	if err != nil || len(places) != 1 || places["10"] != "row with id 10" {
		t.Errorf("got the places %q, error %v, want only that of product 10", places, err)
	}
}

// fill creates the table products with the products 1 to total.
func fill(tb testing.TB, db *sql.DB, d database, total int) {
	tb.Helper()
	exec(tb, db, "DROP TABLE IF EXISTS products",
		"CREATE TABLE products (tenant varchar(100), id integer, name text, price numeric(10,2), PRIMARY KEY (tenant, id))",
		"INSERT INTO products SELECT 'shop', n, 'Product ' || n, n + 0.5 FROM "+fmt.Sprintf(d.series, total))
	if d.dialect == sqlsource.PostgreSQL {
		exec(tb, db, "ANALYZE products")
	}
}

// change deletes products at both ends of the table, inserts two others, and updates some of the rest.
func change(tb testing.TB, db *sql.DB, total, round int) {
	tb.Helper()
	low, high := round*10+1, total-round*20
	exec(tb, db,
		fmt.Sprintf("DELETE FROM products WHERE id BETWEEN %d AND %d OR id BETWEEN %d AND %d", low, low+9, high-19, high),
		fmt.Sprintf("INSERT INTO products VALUES ('shop', %d, 'new', 0), ('shop', %d, 'new', 0)", -round-1, total+round+1),
		fmt.Sprintf("UPDATE products SET name = 'changed' WHERE id BETWEEN %d AND %d", high-200, high))
}

// checkProduct checks that a product is as fill created it, and that it comes for the first time.
func checkProduct(tb testing.TB, p reindex.Product, seen []bool) {
	tb.Helper()
	var n int
	if _, err := fmt.Sscan(p.ID, &n); err != nil || n < 1 || n >= len(seen) || seen[n] {
		tb.Fatalf("got product %q, want each product of the snapshot once", p.ID)
	}
	seen[n] = true
	want := fmt.Sprintf(`{"id":%d,"name":"Product %d","price":%d.5`, n, n, n)
	if !strings.HasPrefix(string(p.Body), want) {
		tb.Fatalf("product %d is %s, want %s...", n, p.Body, want)
	}
}

// If the connection is lost during the read, the read ends with an error.
func testLostConnection(t *testing.T, d database) {
	reader, admin := d.open(t), d.open(t)
	fill(t, admin, d, 1000)
	src := newSource(t, reader, sqlsource.Config{
		Dialect: d.dialect, PageRows: 10, Query: d.sql("SELECT id, name FROM products WHERE tenant = $1"),
	})
	n, failed := 0, error(nil)
	for _, err := range openShop(t, src).Products(t.Context()) {
		if err != nil {
			failed = err
			continue
		}
		if n++; n == 500 {
			d.kill(t, admin)
		}
	}
	if failed == nil || n >= 1000 ||
		!strings.Contains(failed.Error(), fmt.Sprintf(`after product "%[1]d", number %[1]d of the read`, n)) {
		t.Errorf("got %d products, error %v, want fewer than 1000 and an error that names the last one", n, failed)
	}
}
