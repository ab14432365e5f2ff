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

// Jobs outlive the engine that ran them: here the second one finds the first one's job.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "jobs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite",
		"file:"+filepath.Join(dir, "jobs.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	open := func() *reindex.Engine {
		jobs, err := jobsql.New(context.Background(), db, &jobsql.Config{Dialect: jobsql.SQLite})
		if err != nil {
			fmt.Println(err)
			return nil
		}
		source := reindextest.Slice(reindextest.Products(100, "new")) // a host's own
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

// With a log of changes in the database, Update returns once an edit is safe there. A process that dies before the
// index has the edit leaves it to the next one.
func ExampleStore_Changes() {
	dir, err := os.MkdirTemp("", "changes")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite",
		"file:"+filepath.Join(dir, "jobs.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
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
	fmt.Println("safe:", err)
	err = engine.Settle(ctx, "acme")
	fmt.Println("searchable:", err, string(index.Documents("acme")["sock"]))
	fmt.Println(engine.Shutdown(ctx))
	// Output:
	// safe: <nil>
	// searchable: <nil> {"name":"wool sock"}
	// <nil>
}
