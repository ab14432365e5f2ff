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
	db, err := sql.Open(
		"sqlite",
		"file:"+filepath.Join(dir, "jobs.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)",
	)
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
