package sqlsource_test

import (
	"database/sql"
	"sync"
	"testing"

	"productindex/reindex"
	"productindex/source/sqlsource"
)

// BenchmarkPostgreSQL reads the same query with a loop of rows.Scan, with a source, and with a source in two concurrent
// parts.
func BenchmarkPostgreSQL(b *testing.B) {
	const total = 100_000
	d := postgres(b)
	db := d.open(b)
	exec(b, db,
		`CREATE TABLE catalogue AS SELECT
			'shop' AS tenant, n AS id, 'Product ' || n AS name, repeat('A long description. ', 10) AS description,
			n * 0.01::numeric AS price, n % 50 AS stock, ARRAY['new', 'sale'] AS tags,
			'{"color": "red", "sizes": [1, 2, 3]}'::jsonb AS attributes, now() AS modified, n % 2 = 0 AS active
		FROM generate_series(1, 100000) AS s(n)`,
		"ALTER TABLE catalogue ADD PRIMARY KEY (tenant, id)",
		"ANALYZE catalogue",
	)
	src := newSource(b, db, sqlsource.Config{Dialect: d.dialect, Query: "SELECT * FROM catalogue WHERE tenant = $1"})
	b.Run("Scan", func(b *testing.B) {
		for b.Loop() {
			if n := scanAll(b, db); n != total {
				b.Fatalf("scanned %d rows, want %d", n, total)
			}
		}
	})
	b.Run("Products", func(b *testing.B) {
		for b.Loop() {
			n, snap := 0, openShop(b, src)
			for _, err := range snap.Products(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if err := snap.Close(); err != nil || n != total {
				b.Fatalf("read %d products, error %v, want %d", n, err, total)
			}
		}
	})
	b.Run("Parts2", func(b *testing.B) {
		for b.Loop() {
			snap := openShop(b, src)
			splitter := snap.(reindex.Splitter)
			names, err := splitter.Split(b.Context(), 2)
			if err != nil {
				b.Fatal(err)
			}
			var wg sync.WaitGroup
			for _, name := range names {
				wg.Go(func() {
					for _, err := range splitter.Part(b.Context(), name) {
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if err := snap.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func scanAll(b *testing.B, db *sql.DB) (n int) {
	b.Helper()
	rows, err := db.QueryContext(
		b.Context(),
		"SELECT tenant, id, name, description, price, stock, tags, attributes, modified, active FROM catalogue "+
			"WHERE tenant = $1",
		"shop",
	)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var tenant, id, name, description, price, stock, tags, attributes, modified, active any
		err := rows.Scan(&tenant, &id, &name, &description, &price, &stock, &tags, &attributes, &modified, &active)
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return n
}
