package sqlsource_test

import (
	"context"
	"database/sql"
	"fmt"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/source/sqlsource"
)

// A shop writes a row into an outbox for each product that it changes. Follow passes these changes to the live index.
func ExampleFollow() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db, err := sql.Open("sqlite", "file:followed?mode=memory")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	if _, err := db.ExecContext(ctx, `
		CREATE TABLE products (tenant TEXT, sku TEXT PRIMARY KEY, name TEXT);
		CREATE TABLE product_changes (sequence INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT, id TEXT, deleted BOOLEAN);
		INSERT INTO products VALUES ('shop', 'a-1', 'Boot'), ('shop', 'b-2', 'Sandal')`); err != nil {
		panic(err)
	}
	src, err := sqlsource.New(db, sqlsource.Config{
		Dialect: sqlsource.SQLite, Query: `SELECT sku AS id, name FROM products WHERE tenant = ?`,
	})
	if err != nil {
		panic(err)
	}
	index := reindextest.NewMemory() // a program uses one of the packages in backends
	engine, err := reindex.New(src, index, nil)
	if err != nil {
		panic(err)
	}
	if _, err := engine.Run(ctx, "shop"); err != nil {
		panic(err)
	}
	if _, err := db.ExecContext(ctx, `
		BEGIN;
		UPDATE products SET name = 'High boot' WHERE sku = 'a-1';
		INSERT INTO product_changes (tenant, id, deleted) VALUES ('shop', 'a-1', false);
		DELETE FROM products WHERE sku = 'b-2';
		INSERT INTO product_changes (tenant, id, deleted) VALUES ('shop', 'b-2', true);
		COMMIT`); err != nil {
		panic(err)
	}
	outbox := sqlsource.Outbox{Dialect: sqlsource.SQLite, Table: "product_changes"}
	err = sqlsource.Follow(ctx, db, outbox, func(ctx context.Context, tenant string, changes ...reindex.Change) error {
		defer cancel() // a server would continue
		return engine.Update(ctx, tenant, changes...)
	})
	for id, body := range index.Documents("shop") {
		fmt.Println(id, string(body))
	}
	fmt.Println(err)
	// Output:
	// a-1 {"id":"a-1","name":"High boot"}
	// <nil>
}
