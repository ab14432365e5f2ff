// Package acidtest tests that an index always agrees with the database of a shop. Writers change random products in the
// database, an outbox carries the changes to an engine with a durable log, and reindexes follow one another. The
// process of the engine is killed at random moments and started again. After each switch-over, and at the end, the
// settled index must hold exactly the products of the database.
//
// The engine runs in a process of its own, which is another instance of the test's program. Therefore TestMain must
// call [Child] first:
//
//	func TestMain(m *testing.M) {
//		acidtest.Child(openIndex)
//		os.Exit(m.Run())
//	}
//
//	func TestAcid(t *testing.T) { acidtest.Run(t, acidtest.Scenario{}, nil) }
package acidtest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the database of the shop

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Scenario configures [Run]. The zero value of each field stands for its default.
type Scenario struct {
	// Seeds is the number of scenarios. The default is 5. If CI=true is set, it is 50, or 1 under the race detector.
	Seeds int
	// Parallel is the number of scenarios that run at the same time. The default is 2. More scenarios would lose their
	// leases on a busy machine.
	Parallel int
	// If there are at least 50 scenarios, the first one begins with Products products and has Reindexes reindexes. The
	// defaults are 5,000 and 20.
	Products, Reindexes int
	// SmallProducts and SmallReindexes are these numbers for all other scenarios, which test many different moments of a
	// kill. The defaults are 200 and 5.
	SmallProducts, SmallReindexes int
}

func (s Scenario) withDefaults() Scenario {
	seeds := 5
	switch ci := os.Getenv("CI") == "true"; {
	case ci && reindextest.RaceDetected:
		seeds = 1
	case ci:
		seeds = manySeeds
	}
	for field, value := range map[*int]int{
		&s.Seeds: seeds, &s.Parallel: 2, &s.Products: 5000, &s.Reindexes: 20, &s.SmallProducts: 200, &s.SmallReindexes: 5,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return s
}

// Index is an index under test.
type Index struct {
	Indexer reindex.Indexer
	// Bodies returns the bodies of all products that searches find, by id.
	Bodies func(ctx context.Context) (map[string]string, error)
}

// Tenant is the tenant whose products are changed.
const Tenant = "acme"

const (
	// manySeeds is the number of scenarios of a thorough test.
	manySeeds = 50

	writers = 4
	// patience limits the wait for an answer of the engine's process.
	patience = 10 * time.Minute
	// killed is the percentage of reindexes, rollbacks and checks during which the process is killed.
	killed = 20
	// goneBack is the percentage of reindexes, and of rollbacks, that are followed by a rollback. Two rollbacks in a row
	// lead back to the first generation.
	goneBack = 30
	// goingBack is the number of scenarios with rollbacks, which take a search engine twice as long as those without.
	goingBack = 10
)

// Run runs the scenarios as parallel subtests. Each has a folder dir of its own. environment returns variables that are
// added to the environment of the engine's process; it may be nil.
func Run(t *testing.T, scenario Scenario, environment func(t *testing.T, dir string) []string) {
	t.Helper()
	s := scenario.withDefaults()
	slots := make(chan struct{}, s.Parallel)
	for seed := range s.Seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			products, reindexes := s.SmallProducts, s.SmallReindexes
			if seed == 0 && s.Seeds >= manySeeds {
				products, reindexes = s.Products, s.Reindexes
			}
			var env []string
			dir := t.TempDir()
			if environment != nil {
				env = environment(t, dir)
			}
			run(t, dir, env, uint64(seed), products, reindexes)
		})
	}
}

// run runs one scenario.
func run(t *testing.T, dir string, env []string, seed uint64, products, reindexes int) {
	t.Helper()
	shop := openShop(t, dir, products)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := &process{t: t, dir: dir, env: env}
	defer p.stop()
	p.must("run")
	stop := shop.write(t, seed)
	defer stop()
	took := 100 * time.Millisecond
	for range reindexes {
		start := time.Now()
		if rng.IntN(100) < killed {
			p.killWithin("run", time.Duration(rng.Int64N(int64(2*took))))
		}
		p.must("run")
		took = time.Since(start)
		for seed < goingBack && rng.IntN(100) < goneBack {
			if rng.IntN(100) < killed {
				p.killWithin("rollback", time.Duration(rng.Int64N(int64(took))))
			}
			p.must("rollback")
		}
		shop.pause.Lock()
		if rng.IntN(100) < killed {
			p.killWithin("check", time.Duration(rng.Int64N(int64(100*time.Millisecond))))
		}
		p.must("check")
		shop.pause.Unlock()
	}
	stop()
	p.must("check")
}

// pace returns the time between two changes of a writer. Faster changes than the engine can carry out only cost time.
func pace() time.Duration {
	if reindextest.RaceDetected {
		return 40 * time.Millisecond
	}
	return 10 * time.Millisecond
}

// shop is the database, with which the index must agree.
type shop struct {
	db    *sql.DB
	pause sync.RWMutex
	ids   int
}

func shopName(dir string) string {
	return "file:" + filepath.Join(dir, "shop.db") +
		"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=busy_timeout(30000)&_pragma=synchronous(OFF)"
}

func openShop(t *testing.T, dir string, products int) *shop {
	t.Helper()
	db, err := sql.Open("sqlite", shopName(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &shop{db: db, ids: products * 6 / 5}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE TABLE products (tenant TEXT NOT NULL, id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)",
		"CREATE TABLE product_changes (sequence INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT, id TEXT, deleted " +
			"BOOLEAN, body TEXT)",
	} {
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for i := range products {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO products VALUES (?, ?, ?)", Tenant, id(i), body(id(i), "0"))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return s
}

func id(i int) string { return fmt.Sprintf("p%05d", i) }

func body(id, rev string) string {
	return fmt.Sprintf(`{"id":%q,"name":"Product %s, edition %s","rev":%q,"price":%d.5,"stock":{"main":%d}}`, id, id,
		rev, rev, len(rev), len(id))
}

// write starts writers that change products. stop ends them and waits for their end.
func (s *shop) write(t *testing.T, seed uint64) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)+1))
			ticker := time.NewTicker(pace())
			defer ticker.Stop()
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				case <-ticker.C:
				}
				if err := s.change(id(rng.IntN(s.ids)), fmt.Sprintf("%d.%d", w, n), rng.IntN(4) == 0); err != nil {
					t.Errorf("writing to the shop: %v", err)
					return
				}
			}
		})
	}
	var once sync.Once
	return func() {
		once.Do(func() { close(done) })
		running.Wait()
	}
}

// change changes or deletes one product, and adds the change to the outbox in the same transaction.
func (s *shop) change(id, rev string, deleted bool) (err error) {
	s.pause.RLock()
	defer s.pause.RUnlock()
	ctx := context.Background()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	statement, args := "DELETE FROM products WHERE tenant = ? AND id = ?", []any{Tenant, id}
	var now any
	if !deleted {
		statement = "INSERT INTO products VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
		now = body(id, rev)
		args = append(args, now)
	}
	if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO product_changes (tenant, id, deleted, body) VALUES (?, ?, ?, ?)",
		Tenant, id, deleted, now); err != nil {
		return err
	}
	return tx.Commit()
}
