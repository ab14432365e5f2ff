package jobsql

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// stored inserts a row in the form of the first version of the tables. Every later version must be able to read it.
const stored = `INSERT INTO reindex_jobs (tenant, fence, id, entity_type, status, ended, cancelled, lease_end,
	estimated, message, created, modified, numbers)
	VALUES ('a', 41, 'old', 'PRODUCT', 'FAILURE', TRUE, FALSE, 1800000000000, TRUE, 'why', 1800000000000000001,
	1800000000000000002, '[120,119,120,100,10,9,121,90,1099511627776,7,2,1,2,3,4,5,6]')`

// storedLists inserts the lists of the job's report in the form of the second version of the tables.
const storedLists = `INSERT INTO reindex_job_lists (tenant, fence, lists) VALUES ('a', 41,
	'{"rejections":[{"id":"x","reason":"why","where":"there"}],"duplicateIds":["d"]}')`

// The tables of every older version are migrated, and their rows can be read.
func testMigrations(t *testing.T, d database) {
	at := time.Unix(1_800_000_000, 0).UTC()
	want := reindex.Job{
		ID:         "old",
		Tenant:     "a",
		EntityType: "PRODUCT",
		Status:     reindex.StatusFailure,
		Expected:   120,
		Estimated:  true,
		Processed:  119,
		Message:    "why",
		Created:    at.Add(1),
		Modified:   at.Add(2),
		Fence:      41,
		Report: reindex.Report{
			Read:       120,
			Indexed:    100,
			Rejected:   10,
			Duplicates: 9,
			Expected:   121,
			Replaced:   90,
			Bytes:      1 << 40,
			Batches:    7,
			Retries:    2,
			Durations:  reindex.Durations{Pending: 1, Begin: 2, Load: 3, Seal: 4, Commit: 5, Total: 6},
		},
	}
	for version := range len(steps) + 1 {
		old := &Store{db: d.open(t), cfg: Config{Dialect: d.dialect}}
		for _, table := range []string{
			"reindex_schema", "reindex_tenants", "reindex_jobs", "reindex_job_lists", "reindex_logs", "reindex_changes",
			"reindex_change_pins",
		} {
			if err := old.exec(t.Context(), old.db, "DROP TABLE IF EXISTS "+table); err != nil {
				t.Fatal(err)
			}
		}
		if version > 0 {
			if err := old.migrate(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			statements := []string{"INSERT INTO reindex_tenants (tenant, fence) VALUES ('a', 41)", stored}
			if version > 1 {
				statements = append(statements, storedLists, "UPDATE reindex_jobs SET listed = TRUE")
				want.Report.Rejections = []reindex.Rejection{{ID: "x", Reason: "why", Where: "there"}}
				want.Report.DuplicateIDs = []string{"d"}
			}
			for _, statement := range statements {
				if err := old.exec(t.Context(), old.db, statement); err != nil {
					t.Fatalf("version %d: %v", version, err)
				}
			}
		}
		s := d.store(t, Config{})
		if found, err := s.version(t.Context(), s.db); err != nil || found != len(steps) {
			t.Errorf("version %d was migrated to %d, error %v, want %d", version, found, err, len(steps))
		}
		job := mustCreate(t, s, newJob("a", "new"))
		if version > 0 {
			if got := mustGet(t, s, "a", "old"); !reflect.DeepEqual(got, want) || job.Fence <= 41 {
				t.Errorf("from version %d: got fence %d, want one above 41; the job is\n%+v, want\n%+v",
					version, job.Fence, got, want)
			}
		}
	}
}

// Tables that a newer program has migrated are not changed.
func testNewerTables(t *testing.T, d database) {
	db := d.open(t)
	for _, statement := range []string{
		"CREATE TABLE reindex_schema (version BIGINT NOT NULL)",
		fmt.Sprintf("INSERT INTO reindex_schema VALUES (%d)", len(steps)+1),
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_, err := New(t.Context(), db, &Config{Dialect: d.dialect})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("version %d", len(steps)+1)) ||
		!strings.Contains(err.Error(), "newer program") {
		t.Errorf("got %v, want an error that names the version and a newer program", err)
	}
	for _, table := range []string{"reindex_tenants", "reindex_jobs"} {
		if _, err := db.ExecContext(t.Context(), "SELECT 1 FROM "+table); err == nil {
			t.Errorf("New has created the table %s", table)
		}
	}
}

// A program that may not create tables can use tables that are up to date.
func testFewRights(t *testing.T, d database) {
	db := d.open(t)
	d.store(t, Config{})
	for _, statement := range []string{
		"CREATE ROLE worker LOGIN", "GRANT USAGE ON SCHEMA " + schema(d) + " TO worker",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema(d) + " TO worker",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	worker := database{PostgreSQL, strings.Replace(d.dsn, "user=postgres", "user=worker", 1)}
	s := worker.store(t, Config{})
	end(t, s, mustCreate(t, s, newJob("a", "1")))
}

func schema(d database) string { return d.dsn[strings.LastIndexByte(d.dsn, '=')+1:] }
