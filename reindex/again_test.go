package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// forgetful is an Indexer whose first generations learn in the middle of a load that they have to begin anew.
type forgetful struct {
	reindex.Indexer

	learn, begun int
	late         bool // they say so only after it
}

func (f *forgetful) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := f.Indexer.Begin(ctx, tenant)
	f.begun++
	if err != nil || f.begun > f.learn {
		return gen, err
	}
	return &learning{Generation: gen, late: f.late}, nil
}

type learning struct {
	reindex.Generation

	writes int
	late   bool
}

func (l *learning) Write(ctx context.Context, batch []reindex.Product) error {
	if l.writes++; l.writes == 3 && !l.late {
		return fmt.Errorf("a field is of another type: %w", reindex.ErrAgain)
	}
	return l.Generation.Write(ctx, batch)
}

// Flush says after the load what Write says during it.
func (l *learning) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	if l.late {
		return nil, fmt.Errorf("a field is of another type: %w", reindex.ErrAgain)
	}
	return l.Generation.Flush(ctx)
}

// A run reads its source again if the index asks for it, and accounts for the last time alone. It does not do so for
// ever.
func TestAgain(t *testing.T) {
	for i, learn := range []int{0, 1, 3, 20, 1000, 1, 20, 1000} {
		late := i >= 5
		t.Run(fmt.Sprintf("%d,late=%v", learn, late), func(t *testing.T) {
			index := &forgetful{Indexer: reindextest.NewMemory(), learn: learn, late: late}
			products := append(reindextest.Products(50, "1"), reindextest.NewProduct("p0", map[string]any{"rev": "twice"}))
			engine, err := reindex.New(reindextest.Slice(products), index,
				&reindex.Config{BatchDocs: 10, Workers: 1, MaxDuplicates: -1})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), "acme")
			if learn == 1000 {
				if !errors.Is(err, reindex.ErrAgain) || index.begun != 21 {
					t.Errorf("%d generations, error %v; want 21 and ErrAgain", index.begun, err)
				}
				return
			}
			if err != nil || index.begun != learn+1 || report.Read != int64(len(products)) ||
				report.Indexed+report.Duplicates != report.Read {
				t.Errorf("%d generations, %+v, error %v", index.begun, report, err)
			}
		})
	}
}
