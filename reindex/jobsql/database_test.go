package jobsql

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

// TestMain runs the tests. If a test has started the program as a process to kill, TestMain runs that process instead.
func TestMain(m *testing.M) {
	if dsn := os.Getenv("JOBSQL_CHILD"); dsn != "" {
		runForever(dsn)
		return
	}
	_ = flag.Set("test.parallel", "4") // the default: many tests wait for leases
	goleak.VerifyTestMain(m)
}

// patience is the longest time that a test waits for a condition.
const patience = 3 * time.Minute

// database is an empty database for one test.
type database struct {
	dialect Dialect
	dsn     string
}

func (d database) driver() string {
	return map[Dialect]string{SQLite: "sqlite", PostgreSQL: "pgx"}[d.dialect]
}

// open opens the database with connections of its own, as another process would.
func (d database) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open(d.driver(), d.dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// store returns a store with connections of its own, as another process would.
func (d database) store(tb testing.TB, cfg Config) *Store {
	tb.Helper()
	cfg.Dialect = d.dialect
	s, err := New(tb.Context(), d.open(tb), &cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newSQLite(tb testing.TB) database {
	tb.Helper()
	return database{
		SQLite,
		"file:" + filepath.Join(tb.TempDir(), "jobs.db") + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(20000)" +
			"&_pragma=synchronous(OFF)",
	}
}

// newSchema returns a function that creates a new schema on the server.
func newSchema(server string) func(tb testing.TB) database {
	var schemas atomic.Int64
	return func(tb testing.TB) database {
		tb.Helper()
		name := fmt.Sprint("s", schemas.Add(1))
		d := database{PostgreSQL, server + " search_path=" + name}
		if _, err := d.open(tb).ExecContext(context.Background(), "CREATE SCHEMA "+name); err != nil {
			tb.Fatal(err)
		}
		return d
	}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	testDatabase(t, newSQLite)
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	fresh := newSchema(server)
	testDatabase(t, fresh)
	t.Run("LostAnswersOfChanges", func(t *testing.T) {
		t.Parallel()
		testLostAnswersOfChanges(t, fresh)
	})
	inParallel(t, fresh, []databaseTest{
		{"FewRights", testFewRights},
		{"ConnectionLost", testConnectionLost},
		{"LostAnswers", testLostAnswers},
		{"LostAnswersOfUpdates", testLostAnswersOfUpdates},
		{"LostAnswersOfRun", testLostAnswersOfRun},
		{"StoppedInATransaction", testStoppedInATransaction},
		{"EndlessLease", testEndlessLease},
		{"CancelledCommit", testCancelledCommit},
	})
}

type databaseTest struct {
	name string
	fn   func(t *testing.T, d database)
}

// inParallel runs tests, each with a database of its own.
func inParallel(t *testing.T, fresh func(tb testing.TB) database, tests []databaseTest) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.fn(t, fresh(t))
		})
	}
}

// testDatabase runs the tests for both kinds of databases. fresh returns an empty database.
func testDatabase(t *testing.T, fresh func(tb testing.TB) database) {
	reindextest.TestJobStore(t, func(t *testing.T) reindex.JobStore { return fresh(t).store(t, Config{}) })
	reindextest.TestJobLeases(t, func(t *testing.T, lease time.Duration) reindex.JobStore {
		return fresh(t).store(t, Config{Lease: lease})
	})
	t.Run("Changes", func(t *testing.T) {
		reindextest.TestChangeLog(t, func(t *testing.T) reindex.ChangeLog {
			return fresh(t).changes(t, DefaultLease, 10_000)
		})
	})
	inParallel(t, fresh, []databaseTest{
		{"GroupedAppends", testGroupedAppends},
		{"ClaimRunsOut", testClaimRunsOut},
		{"LateApplier", testLateApplier},
		{"LateSwitch", testLateSwitch},
		{"ChangesResumed", testChangesResumed},
		{"ChangesRefused", testChangesRefused},
		{"ChangesBeforeTheFirstIndex", testChangesBeforeTheFirstIndex},
		{"TwoEnginesOneLog", testTwoEnginesOneLog},
		{"TakeOver", testTakeOver},
		{"Left", testLeft},
		{"TwoStores", testTwoStores},
		{"TwoEngines", testTwoEngines},
		{"StartTogether", testStartTogether},
		{"Constraint", testConstraint},
		{"Died", testDied},
		{"Killed", testKilled},
		{"RecordLost", testRecordLost},
		{"History", testHistory},
		{"HistoryKeepsUnfinished", testHistoryKeepsUnfinished},
		{"Lists", testLists},
		{"ListsGoneAgain", testListsGoneAgain},
		{"AnyText", testAnyText},
		{"Migrations", testMigrations},
		{"NewerTables", testNewerTables},
		{"Errors", testErrors},
		{"Cancelled", testContext},
	})
}

func TestConfig(t *testing.T) {
	db := newSQLite(t).open(t)
	for _, test := range []struct {
		cfg  *Config
		want []string
	}{
		{nil, []string{"Dialect"}},
		{
			&Config{Dialect: "oracle", Lease: time.Millisecond, History: -1},
			[]string{"oracle", "Lease is 1ms", "History is -1"},
		},
		{&Config{Dialect: SQLite, Lease: -time.Second}, []string{"Lease is -1s"}},
	} {
		_, err := New(t.Context(), db, test.cfg)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: error %v, want %q in it", test.cfg, err, want)
			}
		}
	}
	if _, err := New(t.Context(), nil, &Config{Dialect: SQLite}); err == nil {
		t.Error("New accepts a nil database")
	}
	s, err := New(t.Context(), db, &Config{Dialect: SQLite})
	if err != nil || s.Lease() != DefaultLease || s.cfg.History != DefaultHistory {
		t.Errorf("got %+v, error %v, want the defaults", s, err)
	}
}

// New refuses a SQLite database whose connections do not wait for each other.
func TestBusyTimeout(t *testing.T) {
	d := newSQLite(t)
	d.dsn, _, _ = strings.Cut(d.dsn, "?")
	_, err := New(t.Context(), d.open(t), &Config{Dialect: SQLite})
	if err == nil || !strings.Contains(err.Error(), "busy_timeout(5000)") {
		t.Errorf("error %v, want one that names the setting", err)
	}
}

// newJob returns a job like one that an engine has just created.
func newJob(tenant, id string) reindex.Job {
	at := time.Unix(1_800_000_000, 1).UTC()
	return reindex.Job{
		ID:         id,
		Tenant:     tenant,
		EntityType: reindex.EntityProduct,
		Status:     reindex.StatusInProgress,
		Expected:   -1,
		Created:    at,
		Modified:   at,
		Report:     reindex.Report{Expected: -1, Replaced: -1},
	}
}

func mustCreate(tb testing.TB, s *Store, job reindex.Job) reindex.Job {
	tb.Helper()
	stored, created, err := s.Create(tb.Context(), job)
	if err != nil || !created {
		tb.Fatalf("job %s: created %v, error %v; want true", job.ID, created, err)
	}
	return stored
}

// mustStore stores the state of a job: with Finish if the job has ended, and otherwise with Renew.
func mustStore(tb testing.TB, s *Store, job reindex.Job) {
	tb.Helper()
	if err := store(tb.Context(), s, job); err != nil {
		tb.Fatal(err)
	}
}

func store(ctx context.Context, s *Store, job reindex.Job) error {
	if job.Status.Ended() {
		return s.Finish(ctx, job)
	}
	_, err := s.Renew(ctx, job)
	return err
}

func mustGet(tb testing.TB, s *Store, tenant, id string) reindex.Job {
	tb.Helper()
	job, err := s.Get(tb.Context(), tenant, id)
	if err != nil {
		tb.Fatal(err)
	}
	return job
}

// each calls f at intervals until it returns false or the time has passed.
func each(tb testing.TB, while time.Duration, f func() bool) {
	tb.Helper()
	ticker, over := time.NewTicker(20*time.Millisecond), time.After(while)
	defer ticker.Stop()
	for f() {
		select {
		case <-ticker.C:
		case <-over:
			return
		}
	}
}

// awaitFailure waits until a job has failed, and returns it.
func awaitFailure(tb testing.TB, s *Store, tenant, id string) (job reindex.Job) {
	tb.Helper()
	each(tb, patience, func() bool {
		job = mustGet(tb, s, tenant, id)
		return job.Status != reindex.StatusFailure
	})
	if job.Status != reindex.StatusFailure {
		tb.Fatalf("after %v the job is %s, want FAILURE", patience, job.Status)
	}
	return job
}
