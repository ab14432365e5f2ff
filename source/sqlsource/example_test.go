package sqlsource_test

import (
	"context"
	"database/sql"
	"fmt"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/sqlsource"
)

// For PostgreSQL, use sql.Open("pgx", ...), the dialect sqlsource.PostgreSQL, and $1 in the query. For MySQL and
// MariaDB, use sql.Open("mysql", ...), the dialect sqlsource.MySQL, and ? in the query.
func ExampleNew() {
	db := shop()
	defer db.Close()
	src, err := sqlsource.New(db, sqlsource.Config{
		Dialect: sqlsource.SQLite,
		Query:   `SELECT sku AS id, name, price, attributes FROM products WHERE tenant = ? AND active`,
	})
	if err != nil {
		panic(err)
	}
	snap, err := src.Open(context.Background(), "shop")
	if err != nil {
		panic(err)
	}
	defer snap.Close()
	for p, err := range snap.Products(context.Background()) {
		if err != nil {
			panic(err)
		}
		fmt.Println(p.ID, string(p.Body))
	}
	// Output:
	// a-1 {"id":"a-1","name":"Boot","price":129.9,"attributes":{"color":"brown"}}
	// b-2 {"id":"b-2","name":"Sandal","price":49,"attributes":null}
}

// Find returns products in their current state. A product that it does not find is no longer in the shop.
func ExampleSource_Find() {
	db := shop()
	defer db.Close()
	src, err := sqlsource.New(db, sqlsource.Config{
		Dialect: sqlsource.SQLite,
		Query:   `SELECT sku AS id, name FROM products WHERE tenant = ? AND active`,
	})
	if err != nil {
		panic(err)
	}
	for p, err := range src.Find(context.Background(), "shop", "b-2", "c-3") {
		if err != nil {
			panic(err)
		}
		fmt.Println(p.ID, string(p.Body))
	}
	// Output: b-2 {"id":"b-2","name":"Sandal"}
}

// With Config.Readers the engine reads several parts of a snapshot in PostgreSQL at the same time. Each reader takes a
// connection of the pool.
//
//nolint:testableexamples // it needs a server
func ExampleSource_Open_parts() {
	db, err := sql.Open("pgx", "postgres://user@localhost/shop")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(6) // for the snapshot, four readers, and others
	src, err := sqlsource.New(db, sqlsource.Config{
		Dialect: sqlsource.PostgreSQL,
		Query:   `SELECT sku AS id, name, price FROM products WHERE tenant = $1`,
		Key:     "id", // an index on (tenant, sku) makes pages fast
	})
	if err != nil {
		panic(err)
	}
	engine, err := reindex.New(src, reindextest.NewMemory(), &reindex.Config{Readers: 4})
	if err != nil {
		panic(err)
	}
	defer func() { _ = engine.Shutdown(context.Background()) }()
	report, err := engine.Run(context.Background(), "shop")
	fmt.Println(report.Indexed, err)
}

// shop returns a database in memory.
func shop() *sql.DB {
	db, err := sql.Open("sqlite", "file:shop?mode=memory")
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	if _, err := db.ExecContext(context.Background(), `
		CREATE TABLE products (
			tenant TEXT, sku TEXT, name TEXT, price REAL, attributes JSON, active BOOLEAN,
			PRIMARY KEY (tenant, sku)
		);
		INSERT INTO products VALUES
			('shop', 'a-1', 'Boot', 129.9, '{"color":"brown"}', 1),
			('shop', 'b-2', 'Sandal', 49, NULL, 1),
			('shop', 'c-3', 'Clog', 30, NULL, 0),
			('other', 'a-1', 'Hat', 20, NULL, 1);`); err != nil {
		panic(err)
	}
	return db
}
