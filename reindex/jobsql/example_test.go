package jobsql_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"productindex/reindex"
	"productindex/reindex/jobsql"
	"productindex/reindex/reindextest"
)

// openSQLite opens a new database in a temporary file. done closes the database and deletes the file.
func openSQLite() (db *sql.DB, done func()) {
	dir, err := os.MkdirTemp("", "jobsql")
	if err != nil {
		panic(err)
	}
	db, err = sql.Open("sqlite",
		"file:"+filepath.Join(dir, "jobs.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		panic(err)
	}
	return db, func() {
		_ = db.Close()
		_ = os.RemoveAll(dir)
	}
}

// Jobs outlive the engine that ran them: the second engine finds the job of the first.
func ExampleNew() {
	db, done := openSQLite()
	defer done()
	open := func() *reindex.Engine {
		jobs, err := jobsql.New(context.Background(), db, &jobsql.Config{Dialect: jobsql.SQLite})
		if err != nil {
			fmt.Println(err)
			return nil
		}
		source := reindextest.Slice(reindextest.Products(100, "new")) // a program has a source of its own
		engine, err := reindex.New(source, reindextest.NewMemory(), &reindex.Config{Jobs: jobs})
		if err != nil {
			fmt.Println(err)
		}
		return engine
	}
	if _, err := open().Run(context.Background(), "acme"); err != nil {
		fmt.Println(err)
	}
	jobs, total, err := open().Jobs(context.Background(), "acme", reindex.JobQuery{Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(total, "job,", jobs[0].Status, "with", jobs[0].Report.Indexed, "products")
	// Output: 1 job, SUCCESS with 100 products
}

// With a log of changes in the database, Update returns once the change is stored there. If the process dies before it
// has applied the change to the index, another process does so.
func ExampleStore_Changes() {
	db, done := openSQLite()
	defer done()
	ctx := context.Background()
	jobs, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: jobsql.SQLite})
	if err != nil {
		fmt.Println(err)
		return
	}
	changes, err := jobs.Changes(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	index := reindextest.NewMemory()
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(100, "new")), index,
		&reindex.Config{Jobs: jobs, Changes: changes})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(ctx, "acme"); err != nil {
		fmt.Println(err)
	}
	err = engine.Update(ctx, "acme", reindex.Change{ID: "sock", Body: []byte(`{"name":"wool sock"}`)})
	fmt.Println("stored:", err)
	err = engine.Settle(ctx, "acme")
	fmt.Println("searchable:", err, string(index.Documents("acme")["sock"]))
	fmt.Println(engine.Shutdown(ctx))
	// Output:
	// stored: <nil>
	// searchable: <nil> {"name":"wool sock"}
	// <nil>
}
