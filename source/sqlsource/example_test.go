package sqlsource_test

import (
	"context"
	"database/sql"
	"fmt"

	"productindex/source/sqlsource"
)

func ExampleNew() {
	// PostgreSQL: sql.Open("pgx", ...), Dialect: sqlsource.PostgreSQL and $1 in the query.
	// MySQL and MariaDB: sql.Open("mysql", ...), Dialect: sqlsource.MySQL and ? in the query.
	db, err := sql.Open("sqlite", "file:shop?mode=memory")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	if _, err := db.ExecContext(context.Background(), `
		CREATE TABLE products (tenant TEXT, sku TEXT, name TEXT, price REAL, attributes JSON, active BOOLEAN, PRIMARY KEY (tenant, sku));
		INSERT INTO products VALUES
			('shop', 'a-1', 'Boot', 129.9, '{"color":"brown"}', 1),
			('shop', 'b-2', 'Sandal', 49, NULL, 1),
			('other', 'a-1', 'Hat', 20, NULL, 1);`); err != nil {
		panic(err)
	}
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
